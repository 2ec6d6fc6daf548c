//! Giving a place in line up.

use inrush_core::{store::Cancellation, ticket::Seq};

use super::Sale;

impl Sale {
    pub(in super::super) fn cancel(&mut self, seq: Seq) -> Cancellation {
        if seq == 0 || seq > self.line.last_seq() {
            return Cancellation::Unknown;
        }
        if self.line.is_cancelled(seq) {
            return Cancellation::AlreadyCancelled;
        }
        if self.closed {
            return Cancellation::TooLate;
        }
        let Some(entry) = self.line.cancel(seq) else {
            return Cancellation::TooLate;
        };
        self.ledger.waiting.take(entry.units);
        self.ledger.cancelled.add(entry.units);
        Cancellation::Cancelled
    }
}
