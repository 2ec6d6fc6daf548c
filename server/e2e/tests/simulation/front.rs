//! A front: the admission of `inrush-core` and its signed tickets, and a small sold-out gate, over the store port.

use std::sync::Arc;

use inrush_core::{
    BuyerId, Entry, Keyring, SaleId, Store, StoreError, TicketRef, TicketState, TicketStatus, admission,
    keyring::BuyerTag,
    store::{Admission, AdmitRequest, CancelResult, Gate, Refusal},
};
use inrush_simulation::history::{Answer, Level, Outcome, State, TicketName};

use crate::{planted::Planted, store::run};

/// How long a refusal is answered from memory.
const GATE_LIFETIME: u64 = 100;

/// A front.
pub(crate) struct Front {
    sale: SaleId,
    keyring: Keyring,
    planted: Option<Planted>,
    /// Until when new buyers are refused as sold out.
    sold_out_until: Option<u64>,
}

/// A call of a buyer.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Enqueue { units: u64, previous: Option<Box<str>> },
    Poll { ticket: Box<str> },
    Cancel { ticket: Box<str> },
}

impl Front {
    pub(crate) fn new(sale: SaleId, planted: Option<Planted>) -> Self {
        let keyring = Keyring::new(&[(1, vec![7; 32])]).unwrap();
        Self { sale, keyring, planted, sold_out_until: None }
    }

    pub(crate) fn call(&mut self, store: &Arc<dyn Store>, buyer: &BuyerId, ask: &Ask, now: u64) -> Outcome {
        let result = match ask {
            Ask::Enqueue { units, previous } => self.enqueue(store, buyer, *units, previous.as_deref(), now),
            Ask::Poll { ticket } => self.poll(store, ticket),
            Ask::Cancel { ticket } => self.cancel(store, ticket),
        };
        result.unwrap_or_else(|error| match error {
            StoreError::SaleNotFound(_) => Outcome::NotFound,
            StoreError::Unavailable(error) => Outcome::Unknown { error },
            error => Outcome::Failed { error: error.to_string() },
        })
    }

    fn enqueue(
        &mut self,
        store: &Arc<dyn Store>,
        buyer: &BuyerId,
        units: u64,
        previous: Option<&str>,
        now: u64,
    ) -> Result<Outcome, StoreError> {
        let restores = match previous.map(|ticket| self.previous_ticket(ticket, buyer)) {
            Some(Err(error)) => return Ok(Outcome::Failed { error }),
            Some(Ok(ticket)) => Some(ticket),
            None => None,
        };
        if restores.is_none() && self.sold_out_until.is_some_and(|until| now < until) && units == 1 {
            // As in the front, a buyer who is in the queue passes; the model asks the store.
            return self.refuse_from_memory(store, buyer, units);
        }
        let entry = Entry { buyer: buyer.clone(), units, payload: Vec::new(), trace: Vec::new() };
        let request = AdmitRequest { entry, supersedes: None, restores };
        let batch = run(admission::admit(&**store, &self.sale, &[request]))?;
        let closes = matches!(batch.reply.gate, Gate::Refusing(Refusal::SoldOut));
        let lifetime = if self.planted == Some(Planted::KeepsGate) { u64::MAX / 2 } else { GATE_LIFETIME };
        self.sold_out_until = closes.then_some(now + lifetime);
        let status = batch.statuses.into_iter().next().flatten();
        let Some(&admission) = batch.reply.admissions.first() else {
            return Err(StoreError::Corrupt("an empty reply".to_owned()));
        };
        let (seq, status) = match admission {
            Admission::Queued { seq, position } => {
                (seq, TicketStatus::Waiting { position, attempted: false })
            }
            Admission::Existing { seq } | Admission::Restored { seq } => {
                let missing = || StoreError::Corrupt(format!("ticket {seq} has no status"));
                (seq, status.ok_or_else(missing)?)
            }
            Admission::Refused(Refusal::Restoring { .. }) => {
                return Ok(Outcome::Failed { error: "RESTORING".to_owned() });
            }
            Admission::Refused(refusal) => return Ok(refused(refusal)),
            Admission::Bypass => return Ok(Outcome::Refused { reason: "BYPASS".to_owned() }),
        };
        let ticket = batch.reply.epochs.ticket(seq);
        let signed = self.keyring.sign(&ticket.in_sale(self.sale.clone()), BuyerTag::of(buyer));
        let durability = Some(Level::Memory);
        Ok(Outcome::Answered(Answer { signed, durability, ..answer(ticket, &status) }))
    }

    /// Refuses a buyer who is not in the queue. A look of the store says who is; a front has a set of hashes.
    fn refuse_from_memory(
        &self,
        store: &Arc<dyn Store>,
        buyer: &BuyerId,
        units: u64,
    ) -> Result<Outcome, StoreError> {
        let admitted = run(store.admitted_buyers(&self.sale, 0))?;
        if !admitted.contains(&buyer.hash32()) {
            return Ok(refused(Refusal::SoldOut));
        }
        let mut through = Self {
            sale: self.sale.clone(),
            keyring: self.keyring.clone(),
            planted: self.planted,
            sold_out_until: None,
        };
        through.enqueue(store, buyer, units, None, 0)
    }

    fn previous_ticket(&self, ticket: &str, buyer: &BuyerId) -> Result<TicketRef, String> {
        let verified = self.keyring.verify(ticket).map_err(|error| error.to_string())?;
        let is_its = verified.id.sale == self.sale && verified.buyer == BuyerTag::of(buyer);
        if is_its || self.planted == Some(Planted::ComparesNoBuyer) {
            Ok((&verified.id).into())
        } else {
            Err("previous_ticket must be a ticket of this sale and of this buyer".to_owned())
        }
    }

    /// The name of a signed ticket.
    pub(crate) fn name(&self, signed: &str) -> TicketName {
        self.ticket(signed).map(name).unwrap_or_default()
    }

    fn ticket(&self, signed: &str) -> Result<TicketRef, StoreError> {
        let verified = self.keyring.verify(signed);
        Ok((&verified.map_err(|error| StoreError::Corrupt(error.to_string()))?.id).into())
    }

    fn poll(&self, store: &Arc<dyn Store>, ticket: &str) -> Result<Outcome, StoreError> {
        let ticket = self.ticket(ticket)?;
        let reply = run(store.look_up(&self.sale, &[ticket]))?;
        let status = reply.statuses.into_iter().next().flatten();
        Ok(status.map_or(Outcome::NotFound, |status| Outcome::Answered(answer(ticket, &status))))
    }

    fn cancel(&self, store: &Arc<dyn Store>, signed: &str) -> Result<Outcome, StoreError> {
        let ticket = self.ticket(signed)?;
        let results = run(store.cancel(&self.sale, &[ticket]))?;
        match results.first() {
            Some(CancelResult::Cancelled | CancelResult::AlreadyCancelled) => {
                Ok(Outcome::Answered(answer(ticket, &TicketStatus::Cancelled)))
            }
            Some(CancelResult::Unknown) | None => Ok(Outcome::NotFound),
            Some(CancelResult::TooLate | CancelResult::Lost) => self.poll(store, signed),
        }
    }
}

fn refused(refusal: Refusal) -> Outcome {
    let reason = match refusal {
        Refusal::Closed => "CLOSED",
        Refusal::NotOpen { .. } => "NOT_OPEN",
        Refusal::Held => "HELD",
        Refusal::UnitLimit { .. } => "UNIT_LIMIT",
        Refusal::SoldOut => "SOLD_OUT",
        Refusal::Restoring { .. } => "RESTORING",
    };
    Outcome::Refused { reason: reason.to_owned() }
}

/// The name of a ticket in the history.
pub(crate) fn name(ticket: TicketRef) -> TicketName {
    TicketName { epoch: ticket.epoch, seq: ticket.seq }
}

fn answer(ticket: TicketRef, status: &TicketStatus) -> Answer {
    let (state, position, order) = match status {
        TicketStatus::Waiting { position, .. } => (State::Waiting, *position, None),
        TicketStatus::Processing => (State::Processing, 0, None),
        TicketStatus::Ordered { order_id } => (State::Ordered, 0, Some(order_id.clone())),
        TicketStatus::Released { order_id } => (State::Released, 0, Some(order_id.clone())),
        TicketStatus::Cancelled => (State::Cancelled, 0, None),
        TicketStatus::Rejected { .. } => (State::Rejected, 0, None),
        TicketStatus::Expired => (State::Expired, 0, None),
        TicketStatus::Dead { .. } => (State::Dead, 0, None),
        TicketStatus::Lost => (State::Lost, 0, None),
    };
    Answer { ticket: name(ticket), state, position, order, ..Answer::default() }
}

/// A state in the history.
pub(crate) const fn state_of(state: TicketState) -> State {
    match state {
        TicketState::Waiting => State::Waiting,
        TicketState::Processing => State::Processing,
        TicketState::Ordered => State::Ordered,
        TicketState::Released => State::Released,
        TicketState::Cancelled => State::Cancelled,
        TicketState::Rejected => State::Rejected,
        TicketState::Expired => State::Expired,
        TicketState::Dead => State::Dead,
        TicketState::Lost => State::Lost,
    }
}
