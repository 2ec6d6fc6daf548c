//! Cancelling a ticket.

use inrush_core::{
    epochs::{Place, TicketRef},
    store::CancelResult,
};

use super::Sale;

impl Sale {
    pub(in super::super) fn cancel(&mut self, ticket: TicketRef) -> CancelResult {
        match self.place_of(ticket) {
            Place::Known => {}
            Place::Lost => return CancelResult::Lost,
            Place::Foreign | Place::Ahead => return CancelResult::Unknown,
        }
        let seq = ticket.seq;
        if self.queue.is_cancelled(seq) {
            return CancelResult::AlreadyCancelled;
        }
        if self.closed {
            return CancelResult::TooLate;
        }
        let Some(entry) = self.queue.cancel(seq) else {
            return CancelResult::TooLate;
        };
        self.ledger.waiting.take(entry.units);
        self.ledger.cancelled.add(entry.units);
        CancelResult::Cancelled
    }
}
