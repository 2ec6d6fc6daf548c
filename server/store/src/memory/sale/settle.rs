//! Recording what came of an attempt.

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
        Settlement { leased, outcome }: &Settlement,
    ) -> SettleResult {
        let Some(ticket) = self.claimed.take_leased(*leased) else {
            return SettleResult::Stale;
        };
        let seq = leased.seq;
        let units = ticket.entry.units;
        self.ledger.in_flight.take(units);
        SettleResult::Done(match outcome {
            Outcome::Ordered { order_id } => {
                self.ledger.ordered.add(units);
                let end = End::Ordered { order_id: cut(order_id).to_owned() };
                self.outcomes.insert(seq, Concluded { units, end });
                TicketState::Ordered
            }
            Outcome::Rejected { reason } => {
                self.reject(seq, units, cut(reason));
                TicketState::Rejected
            }
            Outcome::Retry { after, reason } => self.try_again(seq, ticket, now.after(*after), cut(reason)),
        })
    }

    /// The caller has taken the ticket from where it was counted.
    pub(super) fn reject(&mut self, seq: Seq, units: u64, reason: &str) {
        self.ledger.rejected.add(units);
        self.announcements.work |= self.queued() > 0;
        self.outcomes.insert(seq, Concluded { units, end: End::Rejected { reason: reason.to_owned() } });
    }

    /// After the last attempt the ticket is dead, before that it waits until `due`. The caller has taken it out of
    /// flight.
    pub(super) fn try_again(
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

/// As much of the text as is kept, cut between characters.
fn cut(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    (0..=MAX_TEXT).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(cut(&"x".repeat(MAX_TEXT + 1)).len(), MAX_TEXT);
        assert_eq!(cut(&"é".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(cut(&"€".repeat(MAX_TEXT)), "€".repeat(85));
    }
}
