//! Cancelling a ticket.

use inrush_core::{
    epochs::{Place, TicketRef},
    store::CancelResult,
};

use super::Sale;

impl Sale {
    /// Cancels tickets. If the stock may block the queue, since it has fewer units left than one ticket may have, another
    /// ticket may come first now.
    pub(in super::super) fn cancel_all(&mut self, tickets: &[TicketRef]) -> Vec<CancelResult> {
        let results: Vec<CancelResult> = tickets.iter().map(|&ticket| self.cancel(ticket)).collect();
        let may_block = (1..self.settings.unit_limit).contains(&self.uncommitted_units());
        self.announcements.work |=
            may_block && results.contains(&CancelResult::Cancelled) && self.queued() > 0;
        results
    }

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
