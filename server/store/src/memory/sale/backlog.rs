//! What a sale still has to do, and when a worker should check again.

use std::time::Duration;

use inrush_core::{store::Backlog, time::Timestamp};

use super::Sale;

impl Sale {
    pub(super) fn backlog(&self, now: Timestamp) -> Backlog {
        Backlog {
            waiting: self.ledger.waiting.tickets,
            in_flight: self.ledger.in_flight.tickets,
            dead: self.ledger.dead.tickets,
            next_claim_in: self.next_claim_in(now),
            next_expiry_in: self.claimed.next_lease_expiry().map(|deadline| now.until(deadline)),
        }
    }

    /// A claim returns an entry when a ticket is ready and there is a token for it: the later of both decides.
    fn next_claim_in(&self, now: Timestamp) -> Option<Duration> {
        if self.settings.fulfilment_held {
            return None;
        }
        let ready_in = self.next_ready_in(now)?;
        let token_in = self.bucket.as_ref().map_or(Duration::ZERO, |bucket| bucket.until_token(now));
        Some(ready_in.max(token_in))
    }

    /// When a ticket is ready: immediately if the queue can advance, else with the next retry. Time alone does not make a queue
    /// ready that is blocked by the stock, or that has only cancelled tickets.
    fn next_ready_in(&self, now: Timestamp) -> Option<Duration> {
        let restored_at = self.restoring_until.filter(|_| self.waits_for_restores(now));
        if self.queued() > 0 && restored_at.is_none() && self.can_advance() {
            return Some(Duration::ZERO);
        }
        [self.claimed.next_retry(), restored_at].into_iter().flatten().min().map(|time| now.until(time))
    }

    /// Whether the cursor is where nothing can be claimed before the time to restore has passed.
    fn waits_for_restores(&self, now: Timestamp) -> bool {
        let next = self.queue.cursor() + 1;
        self.is_restoring(now) && self.epochs.is_set_aside(next)
    }
}
