//! The tickets that were claimed at least once and have no outcome yet.

use std::collections::{BTreeSet, HashMap};

use inrush_core::{entry::Entry, store::LeaseToken, ticket::Seq, time::Timestamp};

/// A ticket that is under a lease, waits for a retry, or is dead.
#[derive(Clone, Debug)]
pub(super) struct ClaimedTicket {
    /// The entry.
    pub(super) entry: Entry,
    /// Attempts begun, the present one included.
    pub(super) attempt: u32,
    /// Where it is between its first claim and its outcome.
    pub(super) stage: Stage,
}

/// Where a claimed ticket is.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// A worker has claimed it.
    Leased { fence: u64, deadline: Timestamp },
    /// It waits to be claimed again.
    Retrying { due: Timestamp },
    /// It is out of attempts.
    Dead { reason: String },
}

/// All claimed tickets of a sale, each in exactly one of three orders: leases by expiry, retries by when they are due,
/// dead tickets by seq.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimedTickets {
    tickets: HashMap<Seq, ClaimedTicket>,
    leases: BTreeSet<(Timestamp, Seq)>,
    retries: BTreeSet<(Timestamp, Seq)>,
    dead: BTreeSet<Seq>,
}

impl ClaimedTickets {
    pub(super) fn get(&self, seq: Seq) -> Option<&ClaimedTicket> {
        self.tickets.get(&seq)
    }

    /// Adds a ticket. The caller guarantees that its seq is not there.
    pub(super) fn put(&mut self, seq: Seq, ticket: ClaimedTicket) {
        match ticket.stage {
            Stage::Leased { deadline, .. } => self.leases.insert((deadline, seq)),
            Stage::Retrying { due } => self.retries.insert((due, seq)),
            Stage::Dead { .. } => self.dead.insert(seq),
        };
        self.tickets.insert(seq, ticket);
    }

    /// Removes a ticket in any stage.
    pub(super) fn take(&mut self, seq: Seq) -> Option<ClaimedTicket> {
        let ticket = self.tickets.remove(&seq)?;
        match ticket.stage {
            Stage::Leased { deadline, .. } => self.leases.remove(&(deadline, seq)),
            Stage::Retrying { due } => self.retries.remove(&(due, seq)),
            Stage::Dead { .. } => self.dead.remove(&seq),
        };
        Some(ticket)
    }

    /// Removes a ticket if `lease_token` proves its lease; the lease may have expired, as long as it was not reclaimed.
    pub(super) fn take_leased(&mut self, lease_token: LeaseToken) -> Option<ClaimedTicket> {
        match self.get(lease_token.seq)?.stage {
            Stage::Leased { fence, .. } if fence == lease_token.fence => self.take(lease_token.seq),
            Stage::Leased { .. } | Stage::Retrying { .. } | Stage::Dead { .. } => None,
        }
    }

    /// Removes a ticket if it is dead.
    pub(super) fn take_dead(&mut self, seq: Seq) -> Option<ClaimedTicket> {
        if self.dead.contains(&seq) { self.take(seq) } else { None }
    }

    /// Leases that have expired by `now`, and when: earliest first, then by seq.
    pub(super) fn expired_leases(&self, now: Timestamp, max: usize) -> Vec<(Timestamp, Seq)> {
        up_to(&self.leases, now, max).collect()
    }

    /// Retries that are due by `now`, earliest first, then by seq.
    pub(super) fn due_retries(&self, now: Timestamp, max: usize) -> Vec<Seq> {
        up_to(&self.retries, now, max).map(|(_, seq)| seq).collect()
    }

    /// When the next lease expires.
    pub(super) fn next_lease_expiry(&self) -> Option<Timestamp> {
        self.leases.first().map(|&(deadline, _)| deadline)
    }

    /// When the earliest retry is due.
    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        self.retries.first().map(|&(due, _)| due)
    }

    /// Dead tickets with a seq above `after`, in order, each with its reason.
    pub(super) fn dead_after(&self, after: Seq) -> impl Iterator<Item = (Seq, &ClaimedTicket, &str)> {
        self.dead.range(after.saturating_add(1)..).filter_map(|&seq| match self.get(seq)? {
            ticket @ ClaimedTicket { stage: Stage::Dead { reason }, .. } => {
                Some((seq, ticket, reason.as_str()))
            }
            _ => None,
        })
    }

    /// How many are leased, to be retried, and dead.
    pub(super) fn counts(&self) -> [u64; 3] {
        [self.leases.len() as u64, self.retries.len() as u64, self.dead.len() as u64]
    }

    /// Whether each ticket is in the order of its stage and in no other.
    pub(super) fn is_consistent(&self) -> bool {
        let listed = self.leases.len() + self.retries.len() + self.dead.len();
        listed == self.tickets.len()
            && self.tickets.iter().all(|(&seq, ticket)| match ticket.stage {
                Stage::Leased { deadline, .. } => self.leases.contains(&(deadline, seq)),
                Stage::Retrying { due } => self.retries.contains(&(due, seq)),
                Stage::Dead { .. } => self.dead.contains(&seq),
            })
    }
}

fn up_to(
    order: &BTreeSet<(Timestamp, Seq)>,
    now: Timestamp,
    max: usize,
) -> impl Iterator<Item = (Timestamp, Seq)> {
    order.range(..=(now, Seq::MAX)).take(max).copied()
}
