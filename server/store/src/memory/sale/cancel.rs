//! Cancelling a ticket.

use inrush_core::{store::CancelResult, ticket::Seq};

use super::Sale;

impl Sale {
    pub(in super::super) fn cancel(&mut self, seq: Seq) -> CancelResult {
        if seq == 0 || seq > self.queue.last_seq() {
            return CancelResult::Unknown;
        }
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
