//! Dead tickets: listing, redriving and discarding them.

use inrush_core::{entry::ClaimedEntry, store::DeadLetter, ticket::Seq, time::Timestamp};

use super::{
    super::claimed::{ClaimedTicket, Stage},
    Sale,
};

/// The reason of a discarded ticket.
const DISCARDED: &str = "discarded by an operator";

impl Sale {
    pub(in super::super) fn dead_letters(&self, after: Seq, limit: usize) -> Vec<DeadLetter> {
        let dead = self.claimed.dead_after(after).take(limit);
        dead.map(|(seq, ticket, reason)| DeadLetter {
            epoch: self.epochs.ticket(seq).epoch,
            claimed: ClaimedEntry { seq, attempt: ticket.attempt, entry: ticket.entry.clone() },
            reason: reason.to_owned(),
        })
        .collect()
    }

    pub(in super::super) fn redrive(&mut self, now: Timestamp, seq: Seq) -> bool {
        let Some(ticket) = self.claimed.take_dead(seq) else {
            return false;
        };
        self.ledger.dead.take(ticket.entry.units);
        self.ledger.waiting.add(ticket.entry.units);
        self.ledger.retrying.add(ticket.entry.units);
        self.claimed.put(seq, ClaimedTicket { attempt: 0, stage: Stage::Retrying { due: now }, ..ticket });
        self.announcements.work = true;
        true
    }

    pub(in super::super) fn discard(&mut self, seq: Seq) -> bool {
        let Some(ticket) = self.claimed.take_dead(seq) else {
            return false;
        };
        self.ledger.dead.take(ticket.entry.units);
        self.reject(seq, ticket.entry.units, DISCARDED);
        true
    }
}
