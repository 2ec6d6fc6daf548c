//! Entries without an answer of the order system, with their lease and their deadline.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use inrush_core::{SaleId, store::LeaseToken};
use tokio::time::Instant;

use crate::{concurrency::Sent, stream::attempt_span::AttemptSpan, stream::order_lane::LaneId};

/// A claimed entry without an answer.
#[derive(Clone, Debug)]
pub(crate) struct InFlightEntry {
    pub(crate) sale: SaleId,
    pub(crate) lease_token: LeaseToken,
    pub(crate) attempt: u32,
    pub(crate) lane: LaneId,
    /// `None` until it is sent.
    pub(crate) sent: Option<Sent>,
    /// Its span, if its Enqueue was traced.
    pub(crate) span: Option<AttemptSpan>,
    /// The duration of a lease of its sale.
    pub(crate) lease: Duration,
    /// When its lease should be extended.
    pub(crate) renew_at: Instant,
    /// The deadline of the order system's answer.
    pub(crate) overdue_at: Instant,
}

/// A lease that should be extended.
#[derive(Clone, Debug)]
pub(crate) struct DueLease {
    pub(crate) ticket_id: String,
    pub(crate) sale: SaleId,
    pub(crate) lease_token: LeaseToken,
    pub(crate) lease: Duration,
}

/// What is due at one moment.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) leases: Vec<DueLease>,
    /// Entries past their deadline, removed from the table.
    pub(crate) overdue: Vec<InFlightEntry>,
    /// When the next entry is due.
    pub(crate) next: Option<Instant>,
}

/// Leases that are due within this fraction of a lease are extended together.
const RENEWAL_BATCH_FRACTION: u32 = 8;

/// Unanswered entries by ticket id.
#[derive(Debug, Default)]
pub(crate) struct InFlightTable {
    entries: HashMap<String, InFlightEntry>,
}

impl InFlightTable {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A ticket that is claimed again replaces its earlier claim, whose lease must have been lost. Returns
    /// the replaced entry.
    pub(crate) fn insert(&mut self, ticket_id: String, unanswered: InFlightEntry) -> Option<InFlightEntry> {
        self.entries.insert(ticket_id, unanswered)
    }

    /// Removes the entry if this attempt of it is in flight; 0 stands for whichever is.
    pub(crate) fn remove_attempt(&mut self, ticket_id: &str, attempt: u32) -> Option<InFlightEntry> {
        let is_in_flight = attempt == 0 || self.entries.get(ticket_id)?.attempt == attempt;
        if is_in_flight { self.entries.remove(ticket_id) } else { None }
    }

    /// Removes the entry if it still has this lease.
    pub(crate) fn remove_leased(
        &mut self,
        ticket_id: String,
        lease_token: LeaseToken,
    ) -> Option<InFlightEntry> {
        match self.entries.entry(ticket_id) {
            Entry::Occupied(entry) if entry.get().lease_token == lease_token => Some(entry.remove()),
            Entry::Occupied(_) | Entry::Vacant(_) => None,
        }
    }

    pub(crate) fn remove_lane(&mut self, lane: LaneId) -> Vec<InFlightEntry> {
        self.entries
            .extract_if(|_, unanswered| unanswered.lane == lane)
            .map(|(_, unanswered)| unanswered)
            .collect()
    }

    /// Records that a lease was extended and is due again at `renew_at`.
    pub(crate) fn mark_extended(&mut self, due: &DueLease, renew_at: Instant) {
        if let Some(unanswered) = self.entries.get_mut(&due.ticket_id)
            && unanswered.lease_token == due.lease_token
        {
            unanswered.renew_at = renew_at;
        }
    }

    /// Returns everything that is due. A lease that is not extended until then is due again soon.
    pub(crate) fn take_due(&mut self, now: Instant) -> Due {
        let overdue = self.entries.extract_if(|_, unanswered| unanswered.overdue_at <= now);
        let mut due = Due { overdue: overdue.map(|(_, unanswered)| unanswered).collect(), ..Due::default() };
        for (ticket_id, unanswered) in &mut self.entries {
            let soon = now + unanswered.lease / RENEWAL_BATCH_FRACTION;
            if unanswered.renew_at <= soon {
                unanswered.renew_at = soon;
                due.leases.push(DueLease {
                    ticket_id: ticket_id.clone(),
                    sale: unanswered.sale.clone(),
                    lease_token: unanswered.lease_token,
                    lease: unanswered.lease,
                });
            }
            let next = unanswered.renew_at.min(unanswered.overdue_at);
            due.next = Some(due.next.map_or(next, |earliest| earliest.min(next)));
        }
        due
    }
}
