//! Settling an attempt.

use inrush_core::{
    store::{MAX_TEXT, Outcome, SettleResult, Settlement},
    ticket::{Seq, TicketState},
    time::Timestamp,
};

use super::{
    super::claimed::{ClaimedTicket, Stage},
    Concluded, End, Sale,
};

impl Sale {
    pub(in super::super) fn settle(
        &mut self,
        now: Timestamp,
        Settlement { lease_token, outcome }: &Settlement,
    ) -> SettleResult {
        let Some(ticket) = self.claimed.take_leased(*lease_token) else {
            return SettleResult::Stale;
        };
        let seq = lease_token.seq;
        let units = ticket.entry.units;
        self.ledger.in_flight.take(units);
        SettleResult::Done(match outcome {
            Outcome::Ordered { order_id } => {
                self.ledger.ordered.add(units);
                let end = End::Ordered { order_id: truncate(order_id).to_owned() };
                self.outcomes.insert(seq, Concluded { units, end });
                TicketState::Ordered
            }
            Outcome::Rejected { reason } => {
                self.reject(seq, units, truncate(reason));
                TicketState::Rejected
            }
            Outcome::Retry { after, reason } => {
                self.requeue_or_kill(seq, ticket, now.after(*after), truncate(reason))
            }
        })
    }

    /// Rejects a ticket. The caller has removed it from its part of the ledger.
    pub(super) fn reject(&mut self, seq: Seq, units: u64, reason: &str) {
        self.ledger.rejected.add(units);
        self.announcements.work |= self.queued() > 0;
        self.outcomes.insert(seq, Concluded { units, end: End::Rejected { reason: reason.to_owned() } });
    }

    /// Requeues a ticket until `due`, or marks it dead after its last attempt. The caller has removed it from the part in
    /// flight.
    pub(super) fn requeue_or_kill(
        &mut self,
        seq: Seq,
        ticket: ClaimedTicket,
        due: Timestamp,
        reason: &str,
    ) -> TicketState {
        let units = ticket.entry.units;
        let (state, stage) = if ticket.attempt >= self.settings.max_attempts {
            self.ledger.dead.add(units);
            (TicketState::Dead, Stage::Dead { reason: reason.to_owned() })
        } else {
            self.ledger.waiting.add(units);
            self.ledger.retrying.add(units);
            (TicketState::Waiting, Stage::Retrying { due })
        };
        self.claimed.put(seq, ClaimedTicket { stage, ..ticket });
        state
    }
}

/// The text, truncated to [`MAX_TEXT`] bytes between characters.
pub(super) fn truncate(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    (0..=MAX_TEXT).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_truncated_between_characters() {
        assert_eq!(truncate("short"), "short");
        assert_eq!(truncate(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(truncate(&"x".repeat(MAX_TEXT + 1)).len(), MAX_TEXT);
        assert_eq!(truncate(&"é".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(truncate(&"€".repeat(MAX_TEXT)), "€".repeat(85));
    }
}
