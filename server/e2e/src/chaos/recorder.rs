//! Records the history of a run.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Instant, SystemTime},
};

use inrush_client::{
    CallError, Cancellation, Code, Durability, Enqueued, Ticket, TicketState, TicketStatus, proto,
};
use inrush_simulation::history::{
    Answer, Call, Count, Fault, Level, Loss, Nanos, Outcome, Reading, Request, State, TicketName,
};
use parking_lot::Mutex;

/// What is recorded while a run lasts.
pub struct Recorder {
    started: Instant,
    started_at: SystemTime,
    acknowledged: AtomicU64,
    restored: AtomicU64,
    seen: Mutex<Seen>,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Every call.
    pub calls: Vec<Call>,
    /// Ledgers that were read.
    pub readings: Vec<Reading>,
    /// When the store may have forgotten.
    pub losses: Vec<Loss>,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            started_at: SystemTime::now(),
            acknowledged: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }
}

impl Recorder {
    /// The time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Nanos {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The time of the run at this time of day, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn at(&self, millis: u64) -> Nanos {
        let start = self.started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let start = u64::try_from(start.as_millis()).unwrap_or(u64::MAX);
        millis.saturating_sub(start).saturating_mul(1_000_000)
    }

    /// How many buyers have got a ticket.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many lost tickets were restored.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// Counts a buyer who has got a ticket, which drives the faults.
    pub fn count_acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a ticket that was restored.
    pub fn count_restored(&self) {
        self.restored.fetch_add(1, Ordering::Relaxed);
    }

    /// Records a call that ends now.
    pub fn call(&self, buyer: &str, start: Nanos, request: Request, outcome: Outcome) {
        let call = Call { buyer: buyer.to_owned(), start, end: self.now(), request, outcome };
        self.seen.lock().calls.push(call);
    }

    /// Records a ledger that was read now.
    pub fn ledger(&self, cap: u64, stock: Option<u64>, ledger: &proto::Ledger) {
        let count = |count: Option<proto::Count>| {
            let count = count.unwrap_or_default();
            Count { tickets: count.tickets, units: count.units }
        };
        let reading = Reading {
            at: self.now(),
            cap,
            stock,
            admitted: count(ledger.admitted),
            waiting: count(ledger.waiting),
            in_flight: count(ledger.in_flight),
            ordered: count(ledger.ordered),
            rejected: count(ledger.rejected),
            cancelled: count(ledger.cancelled),
            expired: count(ledger.expired),
            released: count(ledger.released),
            dead: count(ledger.dead),
            reconciled: count(ledger.reconciled),
        };
        self.seen.lock().readings.push(reading);
    }

    /// Records a fault. Its end is not known yet.
    pub fn fault_begins(&self, what: String, breaks_deliveries: bool) -> usize {
        let now = self.now();
        let mut seen = self.seen.lock();
        seen.faults.push(Fault { from: now, until: Nanos::MAX, what, breaks_deliveries });
        seen.faults.len() - 1
    }

    /// Records the end of a fault.
    pub fn fault_ends(&self, index: usize) {
        let now = self.now();
        if let Some(fault) = self.seen.lock().faults.get_mut(index) {
            fault.until = now;
        }
    }

    /// Records that what was written until `loss_ends` may be forgotten.
    pub fn loss_begins(&self, forgets: Vec<Level>, forgets_sale: bool) -> usize {
        let now = self.now();
        let mut seen = self.seen.lock();
        seen.losses.push(Loss { from: now, until: Nanos::MAX, forgets, forgets_sale });
        seen.losses.len() - 1
    }

    /// Records that what is written from now on is not forgotten.
    pub fn loss_ends(&self, index: usize) {
        let now = self.now();
        if let Some(loss) = self.seen.lock().losses.get_mut(index) {
            loss.until = loss.until.min(now);
        }
    }

    /// Records that nothing is forgotten from now on.
    pub fn all_losses_end(&self) {
        let now = self.now();
        for loss in &mut self.seen.lock().losses {
            loss.until = loss.until.min(now);
        }
    }

    /// Everything that was recorded. What has not ended ends now.
    pub fn seen(&self) -> Seen {
        let now = self.now();
        let mut seen = self.seen.lock().clone();
        for until in seen
            .losses
            .iter_mut()
            .map(|loss| &mut loss.until)
            .chain(seen.faults.iter_mut().map(|fault| &mut fault.until))
        {
            *until = (*until).min(now);
        }
        seen
    }
}

/// What came of an Enqueue.
pub fn enqueued(reply: &Result<Enqueued, CallError>) -> Outcome {
    match reply {
        Ok(Enqueued::Queued { ticket, status, durability, .. }) => {
            let mut answer = answer(status, Some(ticket));
            answer.durability = Some(level(*durability));
            Outcome::Answered(answer)
        }
        Ok(Enqueued::Refused(refusal)) => Outcome::Refused { reason: refusal.reason.as_str().to_owned() },
        Ok(Enqueued::Bypass) => Outcome::Refused { reason: "BYPASS".to_owned() },
        Err(error) => failed(error),
    }
}

/// What came of a PollStatus.
pub fn polled(reply: &Result<TicketStatus, CallError>) -> Outcome {
    match reply {
        Ok(status) => Outcome::Answered(answer(status, None)),
        Err(error) => failed(error),
    }
}

/// What came of a Cancel.
pub fn cancelled(reply: &Result<Cancellation, CallError>) -> Outcome {
    match reply {
        Ok(Cancellation::Cancelled(status) | Cancellation::TooLate(status)) => {
            Outcome::Answered(answer(status, None))
        }
        Err(error) => failed(error),
    }
}

/// The name of a ticket in its status.
pub fn name_of(status: &TicketStatus) -> TicketName {
    TicketName::parse(&status.ticket_id).unwrap_or_default()
}

fn answer(status: &TicketStatus, ticket: Option<&Ticket>) -> Answer {
    Answer {
        ticket: name_of(status),
        signed: ticket.map(|ticket| ticket.as_str().to_owned()).unwrap_or_default(),
        state: state(status.state),
        position: status.position.unwrap_or(0),
        order: status.order_id.clone(),
        durability: None,
    }
}

/// Only an invalid request has certainly had no effect.
fn failed(error: &CallError) -> Outcome {
    let text = error.to_string();
    match error {
        CallError::NotFound(_) => Outcome::NotFound,
        CallError::InvalidArgument { .. } | CallError::FailedPrecondition(_) => {
            Outcome::Failed { error: text }
        }
        _ if error.failure().code == Code::Unimplemented => Outcome::Failed { error: text },
        _ => Outcome::Unknown { error: text },
    }
}

fn level(durability: Durability) -> Level {
    match durability {
        Durability::Fsync => Level::Fsync,
        Durability::Replicated => Level::Replicated,
        _ => Level::Memory,
    }
}

fn state(state: TicketState) -> State {
    match state {
        TicketState::Processing => State::Processing,
        TicketState::Ordered => State::Ordered,
        TicketState::Released => State::Released,
        TicketState::Cancelled => State::Cancelled,
        TicketState::Rejected => State::Rejected,
        TicketState::Expired => State::Expired,
        TicketState::Dead => State::Dead,
        TicketState::Lost => State::Lost,
        _ => State::Waiting,
    }
}
