//! The buyers of a run: each does what a user's program does, and every call is recorded.

use std::{mem, sync::Arc, time::Duration};

use inrush_client::{
    CallError, Cancellation, Client, Enqueued, RefusalReason, Ticket, TicketState, TicketStatus,
};
use inrush_simulation::{
    history::{Request, TicketName},
    seeded_random::seeded_random,
};
use tokio::{sync::watch, time::sleep};

use super::{
    plan::Plan,
    recorder::{self, Recorder},
};

/// The pause after a call without an answer.
const PAUSE: Duration = Duration::from_millis(150);

/// Polls are more frequent than the server asks for, so that a run is short.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(400);

/// Nothing disturbs calls any more then.
const MAX_POLLS_AT_REST: u32 = 20;

/// The questions about a buyer whose answers the seed decides.
const UNITS: u32 = 1;
const REPEATS: u32 = 2;
const CANCELS: u32 = 3;
const ASKS_AGAIN: u32 = 4;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Faults happen.
    Faults,
    /// Everything is right again: who has a ticket looks at it once more.
    Healed,
    /// Time is up: buyers give up.
    Over,
}

/// What the buyers of a run share.
pub struct Crowd {
    /// The plan of the run.
    pub plan: Plan,
    /// The sale.
    pub sale: String,
    /// With retries, as users have it.
    pub client: Client,
    /// Without retries.
    pub raw: Client,
    /// Where calls are recorded.
    pub recorder: Arc<Recorder>,
    /// How far the run is.
    pub phase: watch::Receiver<Phase>,
}

/// A buyer with a ticket.
pub struct Holder {
    /// The buyer.
    pub buyer: String,
    /// The buyer's ticket.
    pub ticket: Ticket,
    /// Its last status.
    pub status: TicketStatus,
}

impl Holder {
    /// The name of the ticket.
    #[must_use]
    pub fn name(&self) -> TicketName {
        recorder::name_of(&self.status)
    }
}

impl Crowd {
    /// Lets buyer `number` come, and returns all tickets that it had.
    pub async fn play(self: Arc<Self>, number: u32) -> Vec<Holder> {
        sleep(self.plan.arrival_interval * number).await;
        let buyer =
            Buyer { number, name: format!("buyer-{number}"), phase: self.phase.clone(), crowd: &self };
        buyer.play().await
    }

    /// Polls the ticket of a buyer when the sale has come to rest, until there is an answer.
    pub async fn poll_at_rest(&self, held: &Holder) {
        for _ in 0..MAX_POLLS_AT_REST {
            let start = self.recorder.now();
            let reply = self.client.poll(&held.ticket).await;
            let request = Request::Poll { ticket: held.name() };
            self.recorder.call(&held.buyer, start, request, recorder::polled(&reply));
            if reply.is_ok() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Enqueues a buyer who only shows whether the sale takes buyers. Returns its ticket, unless it was refused.
    ///
    /// # Errors
    /// If the call failed.
    pub async fn probe(&self, number: u32) -> Result<Option<Holder>, CallError> {
        let buyer = Buyer { number, name: format!("probe-{number}"), phase: self.phase.clone(), crowd: self };
        Ok(match buyer.enqueue_with(&self.raw).await? {
            Enqueued::Queued { ticket, status, .. } => {
                Some(Holder { buyer: buyer.name.clone(), ticket, status })
            }
            Enqueued::Refused(_) | Enqueued::Bypass => None,
        })
    }
}

struct Buyer<'a> {
    number: u32,
    name: String,
    phase: watch::Receiver<Phase>,
    crowd: &'a Crowd,
}

impl Buyer<'_> {
    fn random(&self, question: u32) -> f64 {
        seeded_random(self.crowd.plan.seed, question, self.number)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few units")]
    fn units(&self) -> u64 {
        1 + (self.random(UNITS) * self.crowd.plan.unit_limit as f64) as u64
    }

    fn is_over(&self) -> bool {
        *self.phase.borrow() == Phase::Over
    }

    async fn play(mut self) -> Vec<Holder> {
        let Some(mut held) = self.get_ticket().await else { return Vec::new() };
        self.crowd.recorder.count_acknowledged();
        let mut earlier = Vec::new();
        // The answer may have been lost on the way to the buyer: the same ticket is given again, or another if it is over.
        if self.random(REPEATS) < 0.3
            && let Ok(Enqueued::Queued { ticket, status, .. }) = self.enqueue_with(&self.crowd.raw).await
        {
            self.hold(&mut held, &mut earlier, ticket, status);
        }
        if self.random(CANCELS) < 0.1 {
            self.cancel(&mut held).await;
        }
        let mut seen_after_healing = false;
        while !(self.is_over() || held.status.state.is_final() && seen_after_healing) {
            let healed = self.pause_before_poll(&held.status).await;
            if held.status.state == TicketState::Lost
                && self.restore(&mut held, &mut earlier).await.is_refused()
                && healed
            {
                break;
            }
            match self.poll(&held).await {
                Ok(status) => {
                    held.status = status;
                    seen_after_healing |= healed;
                }
                // The store has come back without the sale: it is another one now.
                Err(CallError::NotFound(_)) => match self.get_ticket().await {
                    Some(another) => earlier.push(mem::replace(&mut held, another)),
                    None => break,
                },
                Err(_) => sleep(PAUSE).await,
            }
        }
        earlier.push(held);
        earlier
    }

    /// Takes a ticket that was given in place of the one held, or the same one with another status.
    fn hold(&self, held: &mut Holder, earlier: &mut Vec<Holder>, ticket: Ticket, status: TicketStatus) {
        if ticket == held.ticket {
            held.status = status;
        } else {
            let another = Holder { buyer: self.name.clone(), ticket, status };
            earlier.push(mem::replace(held, another));
        }
    }

    /// Returns whether everything was right again before the pause ended.
    async fn pause_before_poll(&mut self, status: &TicketStatus) -> bool {
        let pause = status.poll_after.unwrap_or(MAX_POLL_INTERVAL).min(MAX_POLL_INTERVAL);
        if status.state.is_final() && *self.phase.borrow() < Phase::Healed {
            // The sender is dropped at the end of the run only.
            let _ = self.phase.wait_for(|&phase| phase >= Phase::Healed).await;
        } else {
            sleep(pause).await;
        }
        *self.phase.borrow() >= Phase::Healed
    }

    /// Enqueues until there is an answer. `None` if the buyer was refused.
    async fn get_ticket(&self) -> Option<Holder> {
        loop {
            match self.enqueue_with(&self.crowd.client).await {
                Ok(Enqueued::Queued { ticket, status, .. }) => {
                    return Some(Holder { buyer: self.name.clone(), ticket, status });
                }
                Ok(Enqueued::Refused(refusal)) => {
                    let may_come_back = refusal.reason == RefusalReason::SoldOut;
                    let is_last_try = *self.phase.borrow() >= Phase::Healed;
                    if !may_come_back || is_last_try || self.random(ASKS_AGAIN) < 0.5 {
                        return None;
                    }
                    sleep(MAX_POLL_INTERVAL).await;
                }
                Ok(Enqueued::Bypass) => return None,
                Err(_) if self.is_over() => return None,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn enqueue_with(&self, client: &Client) -> Result<Enqueued, CallError> {
        let (units, start) = (self.units(), self.crowd.recorder.now());
        let reply = client.enqueue(&self.crowd.sale, &self.name, units, Vec::new()).await;
        let request = Request::Enqueue { units, previous_ticket: None };
        self.crowd.recorder.call(&self.name, start, request, recorder::enqueued(&reply));
        reply
    }

    /// Restores a lost ticket, or gets another one. What could not be done is tried again after the next poll.
    async fn restore(&self, held: &mut Holder, earlier: &mut Vec<Holder>) -> Restored {
        let (units, start) = (self.units(), self.crowd.recorder.now());
        let reply =
            self.crowd.client.restore(&held.ticket, &self.crowd.sale, &self.name, units, Vec::new()).await;
        let request = Request::Enqueue { units, previous_ticket: Some(held.name()) };
        self.crowd.recorder.call(&self.name, start, request, recorder::enqueued(&reply));
        match reply {
            Ok(Enqueued::Queued { ticket, status, .. }) => {
                if ticket == held.ticket {
                    self.crowd.recorder.count_restored();
                }
                self.hold(held, earlier, ticket, status);
                Restored::Ticket
            }
            Ok(_) => Restored::Refused,
            Err(_) => Restored::NotYet,
        }
    }

    async fn poll(&self, held: &Holder) -> Result<TicketStatus, CallError> {
        let start = self.crowd.recorder.now();
        let reply = self.crowd.client.poll(&held.ticket).await;
        let request = Request::Poll { ticket: held.name() };
        self.crowd.recorder.call(&self.name, start, request, recorder::polled(&reply));
        reply
    }

    async fn cancel(&self, held: &mut Holder) {
        let start = self.crowd.recorder.now();
        let reply = self.crowd.client.cancel(&held.ticket).await;
        let request = Request::Cancel { ticket: held.name() };
        self.crowd.recorder.call(&self.name, start, request, recorder::cancelled(&reply));
        if let Ok(Cancellation::Cancelled(status) | Cancellation::TooLate(status)) = reply {
            held.status = status;
        }
    }
}

/// What became of a lost ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restored {
    /// The buyer has a ticket again.
    Ticket,
    /// The sale refuses the buyer.
    Refused,
    /// There was no answer.
    NotYet,
}

impl Restored {
    fn is_refused(self) -> bool {
        self == Self::Refused
    }
}
