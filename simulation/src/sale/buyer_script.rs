//! The steps of a buyer, and what follows from the answers.

use std::{rc::Rc, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use inrush_proto::v1::{
    CancelRequest, CancelResponse, EnqueueRequest, EnqueueResponse, PollStatusRequest, PollStatusResponse,
    Queued, ReleaseOrderRequest, ReleaseOrderResponse, TicketState, TicketStatus, WatchStatusRequest,
    WatchStatusResponse, enqueue_response::Outcome,
};
use inrush_report::measure::Code;
use inrush_transport::Answer;
use prost::Message;

use super::{
    behaviour::{Behaviour, Waiting},
    buyers::{Buyers, Step},
    contradictions::Kind,
    shared::Phase,
    ticket::{Surely, Ticket, is_final},
};
use crate::{
    buyer::{Buyer, buyer_id},
    rpc::{Method, decoded},
};

/// Poll interval if the server gives none.
const FALLBACK: Duration = Duration::from_secs(1);

/// Minimum poll interval of an impatient buyer.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The backoff after a first failure; it doubles with every further one.
const BACKOFF: Duration = Duration::from_millis(50);

/// Maximum backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// Number of tickets whose positions are shown over time.
const TRACKED: u64 = 12;

/// The state when a call was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    at: Duration,
    gone_before: u64,
}

impl Buyers {
    /// Takes one step of a buyer.
    pub(super) async fn take_step(self: &Rc<Self>, buyer: Buyer, step: Step, planned: Duration) {
        if self.has_left(buyer, step) {
            return;
        }
        match step {
            Step::Enqueue | Step::Repeat | Step::Refresh => self.enqueue(buyer, step, planned).await,
            Step::Poll => self.poll(buyer, planned).await,
            Step::Watch => self.watch(buyer).await,
            Step::Cancel => self.cancel(buyer, planned).await,
            Step::Release => self.release(buyer, planned).await,
        }
    }

    /// A buyer whose patience is used up leaves instead of polling again.
    fn has_left(&self, buyer: Buyer, step: Step) -> bool {
        let polls = matches!(step, Step::Poll | Step::Refresh | Step::Watch);
        let stayed = self.now().saturating_sub(self.visitor(buyer).arrived);
        let leaves = polls && stayed > self.part.scenario.times.patience;
        if leaves {
            self.part.shared.counters.left.count();
            self.with_visitor(buyer, |visitor| visitor.done = true);
        }
        leaves
    }

    async fn enqueue(self: &Rc<Self>, buyer: Buyer, step: Step, planned: Duration) {
        let request = EnqueueRequest {
            previous_ticket: String::new(),
            sale_id: self.part.sale.to_string(),
            buyer_id: buyer_id(buyer),
            units: self.part.scenario.units_per_ticket,
            payload: Bytes::new(),
        };
        let sent = self.send_mark();
        let asked =
            self.with_visitor(buyer, |visitor| *visitor.asked.get_or_insert(sent.at)).unwrap_or(sent.at);
        let answer = self.metered(buyer, step, planned, Method::Enqueue, &request, sent).await;
        let outcome = match decoded::<EnqueueResponse>(answer) {
            Ok(response) => response.outcome,
            Err(answer) => return self.failed(buyer, step, &answer),
        };
        let first = self.with_visitor(buyer, |visitor| {
            visitor.failures = 0;
            // An earlier request without an answer has failed, or led to this ticket.
            visitor.asked = None;
            !std::mem::replace(&mut visitor.answered, true)
        });
        if first == Some(true) {
            self.first_answer();
            self.part.shared.counters.answered.count();
        }
        match outcome {
            Some(Outcome::Queued(queued)) => self.queued(buyer, step, asked, sent, queued),
            Some(Outcome::Refused(_)) if step == Step::Enqueue => {
                self.part.shared.counters.refused.count();
                self.end(buyer);
            }
            Some(Outcome::Refused(_)) => {
                self.with_ticket(buyer, |ticket| ticket.refused = true);
                self.plan(buyer, Step::Poll, self.now());
            }
            Some(Outcome::Bypass(_)) => {
                self.part.shared.counters.bypassed.count();
                self.end(buyer);
            }
            None => {
                let nothing = Answer::failed(Code::Internal, "the answer is empty");
                self.failed(buyer, step, &nothing);
            }
        }
    }

    /// The buyer has a ticket: a new one, or the one it held.
    fn queued(&self, buyer: Buyer, step: Step, asked: Duration, sent: Sent, queued: Queued) {
        let Some(status) = queued.status else {
            let nothing = Answer::failed(Code::Internal, "the answer has no ticket");
            return self.failed(buyer, step, &nothing);
        };
        let held = self.with_ticket(buyer, |ticket| (ticket.epoch, ticket.seq));
        let named = Ticket::new(buyer, asked, self.now(), queued.ticket, &status.ticket_id);
        let Some(mut ticket) = named else {
            let nothing = Answer::failed(Code::Internal, format!("{:?} names no ticket", status.ticket_id));
            return self.failed(buyer, step, &nothing);
        };
        if held == Some((ticket.epoch, ticket.seq)) && step != Step::Enqueue {
            self.part.shared.counters.repeated.count();
        } else {
            self.part.shared.counters.queued.count();
            ticket.inherited = queued.repeated && !self.part.fresh;
            let place = self.keep(ticket);
            self.with_visitor(buyer, |visitor| visitor.ticket = place);
        }
        self.on_status(buyer, &status, sent);
        self.go_on(buyer, &status);
    }

    fn keep(&self, ticket: Ticket) -> Option<u32> {
        let mut state = self.state.borrow_mut();
        let place = u32::try_from(state.tickets.len()).ok();
        state.tickets.push(ticket);
        place
    }

    async fn poll(self: &Rc<Self>, buyer: Buyer, planned: Duration) {
        let Some(ticket) = self.with_ticket(buyer, |ticket| ticket.signed.to_string()) else { return };
        let sent = self.send_mark();
        let request = PollStatusRequest { ticket };
        let answer = self.metered(buyer, Step::Poll, planned, Method::PollStatus, &request, sent).await;
        match decoded::<PollStatusResponse>(answer).map(|response| response.status) {
            Ok(Some(status)) => {
                self.part.shared.counters.polls.count();
                self.succeeded(buyer, &status, sent);
            }
            Ok(None) => {
                self.failed(buyer, Step::Poll, &Answer::failed(Code::Internal, "the answer is empty"));
            }
            Err(answer) => self.failed(buyer, Step::Poll, &answer),
        }
    }

    /// Follows WatchStatus until the final status, or until the stream breaks.
    async fn watch(self: &Rc<Self>, buyer: Buyer) {
        let Some(ticket) = self.with_ticket(buyer, |ticket| ticket.signed.to_string()) else { return };
        self.exempt();
        let ended = self.follow(buyer, WatchStatusRequest { ticket }).await;
        self.count_again();
        if let Some(answer) = ended {
            // Streams end when a front drains; that is not a failure of the sale.
            self.failed(buyer, Step::Watch, &answer);
        }
    }

    /// `None`: the ticket is final, or the final check has begun.
    async fn follow(self: &Rc<Self>, buyer: Buyer, request: WatchStatusRequest) -> Option<Answer> {
        let mut stream = match self.calls.subscribe(Method::WatchStatus, &request, buyer).await {
            Ok(stream) => stream,
            Err(answer) => return Some(answer),
        };
        loop {
            // A status on a watch was true at some time after the previous one.
            let sent = Sent { at: self.now(), gone_before: 0 };
            let message = match stream.next().await {
                Ok(message) => message,
                Err(answer) => return Some(answer),
            };
            if self.part.shared.phase() != Phase::Rush {
                return None;
            }
            let Ok(WatchStatusResponse { status: Some(status) }) = WatchStatusResponse::decode(message)
            else {
                return Some(Answer::failed(Code::Internal, "an answer on the watch is empty"));
            };
            self.part.shared.counters.changes.count();
            self.with_visitor(buyer, |visitor| visitor.failures = 0);
            self.on_status(buyer, &status, sent);
            if is_final(status.state()) {
                self.go_on(buyer, &status);
                return None;
            }
        }
    }

    async fn cancel(self: &Rc<Self>, buyer: Buyer, planned: Duration) {
        let signed = self.with_ticket(buyer, |ticket| {
            ticket.cancel_sent = true;
            ticket.signed.to_string()
        });
        let Some(ticket) = signed else { return };
        // Repeating it is harmless, and counting it twice only loosens a bound.
        self.part.shared.cancels_sent.fetch_add(1, Ordering::AcqRel);
        self.with_visitor(buyer, |visitor| visitor.cancelled = true);
        let sent = self.send_mark();
        let request = CancelRequest { ticket };
        let answer = self.metered(buyer, Step::Cancel, planned, Method::Cancel, &request, sent).await;
        let response = match decoded::<CancelResponse>(answer) {
            Ok(response) => response,
            Err(answer) => return self.failed(buyer, Step::Cancel, &answer),
        };
        let Some(status) = response.status else {
            let nothing = Answer::failed(Code::Internal, "the answer is empty");
            return self.failed(buyer, Step::Cancel, &nothing);
        };
        if response.cancelled != (status.state() == TicketState::Cancelled) {
            self.note(buyer, || format!("cancelled: {}, but {:?}", response.cancelled, status.state()));
        }
        if response.cancelled {
            self.part.shared.counters.cancelled.count();
        }
        self.succeeded(buyer, &status, sent);
    }

    async fn release(self: &Rc<Self>, buyer: Buyer, planned: Duration) {
        let sent = self.send_mark();
        let sale = &self.part.sale;
        let name = self.with_ticket(buyer, |ticket| {
            ticket.release_sent.get_or_insert(sent.at);
            format!("{sale}/{}/{}", ticket.epoch, ticket.seq)
        });
        let Some(ticket_id) = name else { return };
        let request = ReleaseOrderRequest { ticket_id };
        let answer = self.metered(buyer, Step::Release, planned, Method::ReleaseOrder, &request, sent).await;
        if answer.code == Code::FailedPrecondition {
            self.note(buyer, || format!("ordered, but its release was refused: {}", answer.error));
            self.part.shared.counters.released.count();
            return self.end(buyer);
        }
        match decoded::<ReleaseOrderResponse>(answer).map(|response| response.status) {
            Ok(Some(status)) => {
                self.part.shared.counters.released.count();
                self.on_status(buyer, &status, sent);
                self.end(buyer);
            }
            Ok(None) => {
                let nothing = Answer::failed(Code::Internal, "the answer is empty");
                self.failed(buyer, Step::Release, &nothing);
            }
            Err(answer) => self.failed(buyer, Step::Release, &answer),
        }
    }

    async fn metered(
        &self,
        buyer: Buyer,
        step: Step,
        planned: Duration,
        method: Method,
        request: &impl Message,
        sent: Sent,
    ) -> Answer {
        let meter = step.meter();
        if let Some(meter) = meter {
            self.meter_sent(meter);
        }
        let answer = self.calls.call(method, request, buyer).await;
        // A closed loop has no planned times: a call is due when it is sent.
        let planned = if self.part.arrivals.limit().is_some() { sent.at } else { planned };
        if let Some(meter) = meter {
            self.meter_ended(meter, planned, sent.at, &answer);
        }
        answer
    }

    pub(super) fn send_mark(&self) -> Sent {
        Sent { at: self.now(), gone_before: self.part.shared.delivered().unwrap_or_default() }
    }

    fn succeeded(&self, buyer: Buyer, status: &TicketStatus, sent: Sent) {
        self.with_visitor(buyer, |visitor| visitor.failures = 0);
        self.on_status(buyer, status, sent);
        self.go_on(buyer, status);
    }

    /// Processes a status of the buyer's ticket.
    fn on_status(&self, buyer: Buyer, status: &TicketStatus, sent: Sent) {
        if let Some(place) = self.visitor(buyer).ticket {
            self.update_ticket(place, status, sent);
        }
    }

    /// Updates a ticket from a status.
    pub(super) fn update_ticket(&self, place: u32, status: &TicketStatus, sent: Sent) {
        let shared = &self.part.shared;
        let gone_after = shared
            .delivered()
            .filter(|_| self.part.fresh)
            .map(|delivered| delivered + shared.on_the_way() + shared.cancels_sent.load(Ordering::Acquire));
        let surely = Surely { gone_before: sent.gone_before, gone_after };
        let at = self.now().as_secs_f64();
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        let Some(ticket) = usize::try_from(place).ok().and_then(|place| state.tickets.get_mut(place)) else {
            return;
        };
        let before = ticket.state;
        ticket.update(status, surely, &mut state.contradictions);
        let has_order = |state| matches!(state, TicketState::Ordered | TicketState::Released);
        if has_order(ticket.state) && !has_order(before) {
            shared.counters.learned.count();
        }
        let every = (self.part.scenario.effective_cap() / TRACKED).max(1);
        if ticket.seq.is_multiple_of(every) && !is_final(before) {
            state.tracks.push((ticket.seq, at, status.position));
        }
    }

    /// Plans the buyer's next step after an answer.
    fn go_on(&self, buyer: Buyer, status: &TicketStatus) {
        let (behaviour, visitor) = (self.behaviour(buyer), self.visitor(buyer));
        match status.state() {
            TicketState::Ordered if behaviour.unpaid && !self.part.releases_itself => {
                self.part.shared.counters.unpaid.count();
                self.record_final_answer(buyer);
                self.plan(buyer, Step::Release, self.now() + self.part.scenario.times.unpaid_after);
            }
            TicketState::Cancelled if behaviour.comes_back && visitor.cancelled && !visitor.done => {
                self.with_visitor(buyer, |visitor| visitor.done = true);
                self.plan(buyer, Step::Enqueue, self.now());
            }
            state if is_final(state) => {
                self.record_final_answer(buyer);
                self.end(buyer);
            }
            _ => self.wait(buyer, behaviour, status),
        }
    }

    fn wait(&self, buyer: Buyer, behaviour: Behaviour, status: &TicketStatus) {
        let Times { now, poll_after } = self.times(status);
        let visitor = self.visitor(buyer);
        let scenario = &self.part.scenario;
        if behaviour.repeats && !visitor.repeated {
            self.with_visitor(buyer, |visitor| visitor.repeated = true);
            return self.plan(buyer, Step::Repeat, now);
        }
        if behaviour.cancels && !visitor.cancelled {
            let after = Behaviour::cancels_after(buyer, scenario.seed, &scenario.times);
            return self.plan(buyer, Step::Cancel, now + after);
        }
        match behaviour.waiting {
            Waiting::Polls => self.plan(buyer, Step::Poll, now + poll_after),
            Waiting::PollsImpatiently => {
                let poll_interval = poll_after.div_f64(scenario.times.impatience).max(MIN_POLL_INTERVAL);
                self.plan(buyer, Step::Poll, now + poll_interval);
            }
            Waiting::Refreshes => self.plan(buyer, Step::Refresh, now + scenario.times.refresh_every),
            Waiting::Watches => self.plan(buyer, Step::Watch, now),
        }
    }

    fn times(&self, status: &TicketStatus) -> Times {
        let poll_after = status.poll_after.and_then(|after| Duration::try_from(after).ok());
        Times { now: self.now(), poll_after: poll_after.unwrap_or(FALLBACK) }
    }

    /// A call failed: the buyer retries with backoff.
    fn failed(&self, buyer: Buyer, step: Step, answer: &Answer) {
        let failures = self.with_visitor(buyer, |visitor| {
            visitor.failures = visitor.failures.saturating_add(1);
            visitor.failures
        });
        let doublings = u32::from(failures.unwrap_or(1).saturating_sub(1)).min(16);
        let backoff = BACKOFF.saturating_mul(1 << doublings).min(MAX_BACKOFF);
        // With jitter, so that buyers that failed together do not retry together.
        let backoff = backoff.mul_f64(rand::random_range(0.5..1.0));
        // A watch that the server ended is resumed without backoff.
        let backoff = if answer.code == Code::Ok { MIN_POLL_INTERVAL } else { backoff };
        self.plan(buyer, step, self.now() + backoff);
    }

    fn record_final_answer(&self, buyer: Buyer) {
        let took = self.now().saturating_sub(self.visitor(buyer).arrived);
        self.state.borrow_mut().final_answers.record(took, took);
    }

    fn end(&self, buyer: Buyer) {
        self.with_visitor(buyer, |visitor| visitor.done = true);
    }

    fn note(&self, buyer: Buyer, words: impl FnOnce() -> String) {
        self.state.borrow_mut().contradictions.note(Kind::Stale, || format!("buyer {buyer}: {}", words()));
    }

    /// Changes the ticket that a buyer holds.
    fn with_ticket<T>(&self, buyer: Buyer, change: impl FnOnce(&mut Ticket) -> T) -> Option<T> {
        let place = self.visitor(buyer).ticket?;
        let place = usize::try_from(place).ok()?;
        self.state.borrow_mut().tickets.get_mut(place).map(change)
    }
}

struct Times {
    now: Duration,
    poll_after: Duration,
}
