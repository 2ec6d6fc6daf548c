//! A ticket as its buyer knows it, and the rules that each new answer must meet.

use std::time::Duration;

use inrush_proto::v1::{TicketState, TicketStatus};

use super::contradictions::{Contradictions, Kind};
use crate::{
    buyer::{Buyer, ticket_parts},
    order_system::order_hash,
};

/// What a buyer knows of one of its tickets.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Whose it is.
    pub buyer: Buyer,
    /// The sale's epoch when it was given out.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// When the buyer asked for it first, since the opening.
    pub asked: Duration,
    /// When the buyer got its first answer about it.
    pub answered: Duration,
    /// Where it stands, by the latest answer.
    pub state: TicketState,
    /// Its position while it waits, by the latest answer.
    pub position: Option<u64>,
    /// A hash of the order's id, once it is known.
    pub order: Option<u64>,
    /// The buyer may have had it before the run: when it was asked for, and what the order system saw of it, is unknown.
    pub inherited: bool,
    /// A cancellation was sent: it may be cancelled.
    pub cancel_sent: bool,
    /// When its release was sent, since the opening: from then on its units may be sold again.
    pub release_sent: Option<Duration>,
    /// The buyer was refused while it held this ticket: the next answer must be a final state.
    pub refused: bool,
    /// What is shown to later calls.
    pub signed: Box<str>,
}

/// Bounds that held while an answer was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surely {
    /// At least this number of tickets had left the queue before the call was sent.
    pub gone_before: u64,
    /// At most this number of tickets had left the queue or been cancelled when the answer came; `None`: unknown.
    pub gone_after: Option<u64>,
}

/// Whether a state is final, except for the release of an unpaid order.
pub fn is_final(state: TicketState) -> bool {
    match state {
        TicketState::Ordered
        | TicketState::Released
        | TicketState::Cancelled
        | TicketState::Rejected
        | TicketState::Expired => true,
        TicketState::Unspecified
        | TicketState::Waiting
        | TicketState::Processing
        | TicketState::Dead
        | TicketState::Lost => false,
    }
}

/// Whether the state `next` may follow `state`, with any number of missed states in between.
fn may_become(state: TicketState, next: TicketState) -> bool {
    use TicketState::{
        Cancelled, Dead, Expired, Lost, Ordered, Processing, Rejected, Released, Unspecified, Waiting,
    };
    match state {
        // A store that comes back with older data may lose any ticket, and have it in an earlier state once it is restored.
        _ if next == Lost => true,
        Unspecified | Waiting | Lost => next != Unspecified,
        Processing => matches!(next, Processing | Waiting | Ordered | Released | Rejected | Dead),
        // An operator may redrive what is dead.
        Dead => matches!(next, Dead | Waiting | Processing | Ordered | Released | Rejected),
        Ordered => matches!(next, Ordered | Released),
        Released | Cancelled | Rejected | Expired => next == state,
    }
}

impl Ticket {
    /// A new ticket. `None`: the status names no ticket.
    pub fn new(
        buyer: Buyer,
        asked: Duration,
        answered: Duration,
        signed: String,
        name: &str,
    ) -> Option<Self> {
        let (_, epoch, seq) = ticket_parts(name)?;
        Some(Self {
            buyer,
            epoch,
            seq,
            asked,
            answered,
            state: TicketState::Unspecified,
            position: None,
            order: None,
            inherited: false,
            cancel_sent: false,
            release_sent: None,
            refused: false,
            signed: signed.into(),
        })
    }

    /// Updates the ticket from an answer, and records contradictions.
    pub fn update(&mut self, status: &TicketStatus, surely: Surely, contradictions: &mut Contradictions) {
        let next = status.state();
        let names_another = ticket_parts(&status.ticket_id)
            .is_none_or(|(_, epoch, seq)| (epoch, seq) != (self.epoch, self.seq));
        if names_another {
            contradictions
                .note(Kind::Stale, || format!("{self}: the answer is about {:?}", status.ticket_id));
            return;
        }
        if !may_become(self.state, next) {
            contradictions.note(Kind::Stale, || format!("{self}: {} after {}", name(next), name(self.state)));
        }
        if self.refused
            && !matches!(next, TicketState::Cancelled | TicketState::Rejected)
            && !matches!(next, TicketState::Released | TicketState::Expired)
        {
            contradictions.note(Kind::Stale, || format!("{self}: refused, and still {}", name(next)));
        }
        self.refused = false;
        self.update_order(status, contradictions);
        self.update_position(status, surely, contradictions);
        self.state = next;
    }

    fn update_order(&mut self, status: &TicketStatus, contradictions: &mut Contradictions) {
        if status.order_id.is_empty() {
            return;
        }
        let order = order_hash(&status.order_id);
        if self.order.is_some_and(|known| known != order) {
            contradictions
                .note(Kind::Stale, || format!("{self}: another order than before, {}", status.order_id));
        }
        self.order = Some(order);
    }

    fn update_position(
        &mut self,
        status: &TicketStatus,
        surely: Surely,
        contradictions: &mut Contradictions,
    ) {
        let position = status.position;
        if status.state() != TicketState::Waiting {
            if position != 0 {
                contradictions.note(Kind::Stale, || {
                    format!("{self}: position {position} when {}", name(status.state()))
                });
            }
            return;
        }
        if let Some(before) = self.position.filter(|before| position > *before) {
            contradictions.note(Kind::Rose, || format!("{self}: position {position} after {before}"));
        }
        // A ticket that is retried is next, with any number.
        let most = self.seq.saturating_sub(surely.gone_before).max(1);
        let least = surely.gone_after.map_or(1, |gone| self.seq.saturating_sub(gone).max(1));
        if !(least..=most).contains(&position) {
            contradictions.note(Kind::Wrong, || {
                format!("{self}: position {position}, which must be {least} to {most}")
            });
        }
        self.position = Some(position);
    }
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ticket {} of buyer {}", self.seq, self.buyer)
    }
}

/// A state as the documentation calls it.
pub fn name(state: TicketState) -> &'static str {
    state.as_str_name().trim_start_matches("TICKET_STATE_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket::new(3, Duration::ZERO, Duration::ZERO, "signed".to_owned(), "x/1/10").unwrap()
    }

    fn status(state: TicketState, position: u64) -> TicketStatus {
        TicketStatus { ticket_id: "x/1/10".to_owned(), state: state.into(), position, ..Default::default() }
    }

    /// What is noted when one answer follows the other.
    fn noted(answers: &[TicketStatus], surely: Surely) -> Vec<(Kind, u64)> {
        let (mut ticket, mut contradictions) = (ticket(), Contradictions::default());
        answers.iter().for_each(|answer| ticket.update(answer, surely, &mut contradictions));
        Kind::ALL
            .into_iter()
            .map(|kind| (kind, contradictions.count(kind)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    #[test]
    fn the_usual_states_contradict_nothing() {
        use TicketState::{Ordered, Processing, Released, Waiting};
        let mut ordered = status(Ordered, 0);
        ordered.order_id = "order-1".to_owned();
        let released = TicketStatus { state: Released.into(), ..ordered.clone() };
        let life = [
            status(Waiting, 9),
            status(Waiting, 4),
            status(Processing, 0),
            status(Waiting, 1),
            ordered.clone(),
            ordered,
            released,
        ];
        assert_eq!(noted(&life, Surely::default()), []);
    }

    #[test]
    fn final_states_do_not_change() {
        use TicketState::{Cancelled, Ordered, Waiting};
        assert_eq!(noted(&[status(Cancelled, 0), status(Waiting, 3)], Surely::default()), [(Kind::Stale, 1)]);
        assert_eq!(noted(&[status(Ordered, 0), status(Cancelled, 0)], Surely::default()), [(Kind::Stale, 1)]);
        assert_eq!(noted(&[status(Ordered, 4)], Surely::default()), [(Kind::Stale, 1)]);
        let order = |id: &str| TicketStatus { order_id: id.to_owned(), ..status(Ordered, 0) };
        assert_eq!(noted(&[order("a"), order("b")], Surely::default()), [(Kind::Stale, 1)]);
        let other = TicketStatus { ticket_id: "x/1/11".to_owned(), ..status(Waiting, 3) };
        assert_eq!(noted(&[other], Surely::default()), [(Kind::Stale, 1)]);
    }

    #[test]
    fn positions_fall_and_stay_within_their_bounds() {
        use TicketState::Waiting;
        let rising = [status(Waiting, 3), status(Waiting, 4)];
        assert_eq!(noted(&rising, Surely::default()), [(Kind::Rose, 1)]);
        assert_eq!(noted(&[status(Waiting, 11)], Surely::default()), [(Kind::Wrong, 1)]);
        assert_eq!(noted(&[status(Waiting, 0)], Surely::default()), [(Kind::Wrong, 1)]);
        let surely = Surely { gone_before: 3, gone_after: Some(5) };
        assert_eq!(noted(&[status(Waiting, 7), status(Waiting, 5)], surely), []);
        assert_eq!(noted(&[status(Waiting, 8)], surely), [(Kind::Wrong, 1)]);
        assert_eq!(noted(&[status(Waiting, 4)], surely), [(Kind::Wrong, 1)]);
    }

    #[test]
    fn a_refusal_means_that_the_ticket_is_over() {
        let after_refusal = |state| {
            let (mut ticket, mut contradictions) = (ticket(), Contradictions::default());
            ticket.refused = true;
            ticket.update(
                &status(state, u64::from(state == TicketState::Waiting)),
                Surely::default(),
                &mut contradictions,
            );
            contradictions.count(Kind::Stale)
        };
        assert_eq!(after_refusal(TicketState::Rejected), 0);
        assert_eq!(after_refusal(TicketState::Waiting), 1);
    }
}
