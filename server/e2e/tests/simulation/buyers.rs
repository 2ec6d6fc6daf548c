//! Buyers: each acts as the client crate does, with calls that overtake each other and answers that do not come.

use inrush_core::BuyerId;
use inrush_simulation::history::{Answer, Call, Outcome, Request, State};

use crate::{
    front::Ask,
    world::{Event, NANOS, World},
};

/// How long a caller waits for an answer.
const TIMEOUT: u64 = 1_000;

/// A buyer, as a client library acts for it.
pub(crate) struct Buyer {
    pub(crate) id: BuyerId,
    pub(crate) units: u64,
    pub(crate) ticket: Option<Box<str>>,
    /// Every ticket that it ever had.
    pub(crate) tickets: Vec<Box<str>>,
    pub(crate) state: Option<State>,
    /// The answer said that the ticket is lost.
    pub(crate) is_lost: bool,
    pub(crate) polls: u32,
    /// It does not come back.
    pub(crate) has_left: bool,
    /// It waits for an answer.
    pub(crate) is_calling: bool,
}

impl World {
    /// The next call of a buyer: as the client crate, it asks for a place until it has one, follows it, and has it
    /// restored when it is lost.
    pub(crate) fn step(&mut self, index: usize) {
        let others: Vec<Box<str>> = self.buyers.iter().filter_map(|other| other.ticket.clone()).collect();
        let buyer = &self.buyers[index];
        if buyer.is_calling || buyer.has_left {
            return;
        }
        let units = buyer.units;
        let ask = match &buyer.ticket {
            Some(ticket) if buyer.is_lost => {
                let keeps = self.random.chance(95);
                Ask::Enqueue { units, previous: keeps.then(|| ticket.clone()) }
            }
            Some(_) if self.random.chance(5) => Ask::Enqueue { units, previous: None },
            Some(ticket) => Ask::Poll { ticket: ticket.clone() },
            // Some present a ticket that is not theirs.
            None if !others.is_empty() && self.random.chance(8) => {
                let index = usize::try_from(self.random.between(0, others.len() as u64 - 1)).unwrap();
                Ask::Enqueue { units, previous: others.get(index).cloned() }
            }
            None => Ask::Enqueue { units, previous: None },
        };
        self.call(index, ask);
    }

    fn call(&mut self, index: usize, ask: Ask) {
        self.buyers[index].is_calling = true;
        let start = self.now;
        let at = start + self.latency();
        self.at(at, Event::Arrive { buyer: index, ask, start });
    }

    pub(crate) fn cancel(&mut self, index: usize) {
        let buyer = &self.buyers[index];
        if let Some(ticket) = buyer.ticket.clone().filter(|_| !buyer.is_calling) {
            self.call(index, Ask::Cancel { ticket });
        }
    }

    pub(crate) fn arrive(&mut self, index: usize, ask: Ask, start: u64) {
        let outcome = self.front.call(&self.store.port, &self.buyers[index].id, &ask, self.now);
        let at = self.now + self.latency();
        let (at, outcome) = if at > start + TIMEOUT {
            (start + TIMEOUT, Outcome::Unknown { error: "timed out".to_owned() })
        } else {
            (at, outcome)
        };
        self.at(at, Event::Answer { buyer: index, ask, start, outcome });
    }

    pub(crate) fn record(&mut self, index: usize, ask: &Ask, start: u64, outcome: &Outcome) {
        let ticket = |signed: &str| self.front.name(signed);
        let request = match ask {
            Ask::Enqueue { units, previous } => {
                Request::Enqueue { units: *units, previous_ticket: previous.as_deref().map(ticket) }
            }
            Ask::Poll { ticket: signed } => Request::Poll { ticket: ticket(signed) },
            Ask::Cancel { ticket: signed } => Request::Cancel { ticket: ticket(signed) },
        };
        let buyer = self.buyers[index].id.to_string();
        let (start, end) = (start * NANOS, self.nanos());
        self.history.calls.push(Call { buyer, start, end, request, outcome: outcome.clone() });
    }

    pub(crate) fn answer(&mut self, index: usize, ask: &Ask, start: u64, outcome: Outcome) {
        self.record(index, ask, start, &outcome);
        let is_calm = self.is_calm();
        let buyer = &mut self.buyers[index];
        buyer.is_calling = false;
        let pause = match outcome {
            Outcome::Answered(answer) => match hear(buyer, ask, answer, is_calm) {
                Some(pause) => pause,
                None => return,
            },
            // Some ask again as long as the sale lasts, in the hope of units that are given back.
            Outcome::Refused { .. } if index.is_multiple_of(3) => return,
            Outcome::Refused { .. } => 6_000,
            Outcome::NotFound => {
                (buyer.ticket, buyer.state, buyer.is_lost) = (None, None, false);
                2_000
            }
            Outcome::Failed { .. } | Outcome::Unknown { .. } => 500,
        };
        self.after(pause / 2 + 1, pause + 1, Event::Buyer(index));
    }
}

/// What a buyer does with an answer; returns the pause before its next call, if there is one.
fn hear(buyer: &mut Buyer, ask: &Ask, answer: Answer, is_calm: bool) -> Option<u64> {
    if matches!(ask, Ask::Enqueue { .. }) {
        let ticket: Box<str> = answer.signed.into();
        if !buyer.tickets.contains(&ticket) {
            buyer.tickets.push(ticket.clone());
        }
        buyer.ticket = Some(ticket);
        buyer.polls = 0;
    }
    buyer.state = Some(answer.state);
    buyer.is_lost = answer.state == State::Lost;
    buyer.polls += 1;
    match answer.state {
        State::Lost => Some(300),
        // The holder of an order looks again from time to time while the store may forget.
        state if state.is_final() && is_calm => None,
        _ if is_calm => Some((1_500 * u64::from(buyer.polls)).min(12_000)),
        _ => Some(1_000),
    }
}
