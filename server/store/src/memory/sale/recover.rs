//! Reclaiming expired leases.

use inrush_core::{
    store::{MAX_BATCH, Recovery},
    ticket::TicketState,
    time::Timestamp,
};

use super::Sale;

/// Why a last attempt failed that ended with its lease.
const NO_ANSWER: &str = "the lease ended without an answer";

impl Sale {
    pub(in super::super) fn recover(&mut self, now: Timestamp) -> Recovery {
        let (mut reclaimed, mut dead) = (0, 0);
        // A reclaimed ticket is due since its lease expired: if the clock was ahead and is set back, it does not wait as long.
        for (expiry, seq) in self.claimed.expired_leases(now, MAX_BATCH) {
            let Some(ticket) = self.claimed.take(seq) else { continue };
            self.ledger.in_flight.take(ticket.entry.units);
            match self.requeue_or_kill(seq, ticket, expiry, NO_ANSWER) {
                TicketState::Dead => dead += 1,
                _ => reclaimed += 1,
            }
        }
        Recovery {
            reclaimed,
            dead,
            epoch: self.epochs.present(),
            rises: self.epochs.past().len() as u64,
            backlog: self.backlog(now),
        }
    }
}
