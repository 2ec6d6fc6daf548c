//! Makes and records the calls of one thread.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use inrush_report::measure::{Call, Code, EndReason, Interval, Recorder, RecorderSettings, Results};
use inrush_transport::{Answer, Caller, Head, Link, StreamTimes};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    observer::INTERVAL,
    plan::{AtDuration, Load},
    shared::{Shared, Start},
};
use crate::message::RequestSource;

/// What a thread reports while it runs.
pub(super) enum Event {
    /// Its connections are open.
    Connected,
    /// It has measured an interval.
    Interval(Box<Interval>),
}

/// What the tasks of one thread share.
pub(super) struct Calls {
    /// Index of the thread.
    pub(super) index: usize,
    pub(super) start: Instant,
    pub(super) shared: Arc<Shared>,
    source: RefCell<Box<dyn RequestSource>>,
    recorder: RefCell<Recorder>,
    /// The calls in flight, by their worker.
    in_flight: RefCell<Vec<Option<InFlight>>>,
    last_end: Cell<Duration>,
    /// Number of calls of an open loop that have become due.
    due: Cell<u64>,
    sent: Cell<u64>,
    /// There are further planned times.
    pacing: Cell<bool>,
    closing: Cell<bool>,
    links: Vec<Rc<Link>>,
    head: Rc<Head>,
    events: SyncSender<Event>,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    number: u64,
    planned: Duration,
    sent: Duration,
}

impl Calls {
    pub(super) fn new(
        index: usize,
        start: Start,
        source: Box<dyn RequestSource>,
        links: Vec<Rc<Link>>,
        head: Rc<Head>,
        events: SyncSender<Event>,
        shared: Arc<Shared>,
    ) -> Self {
        let is_open = matches!(shared.plan.load, Load::Open { .. });
        let recorder = Recorder::new(RecorderSettings {
            started: start.time,
            open_loop: is_open,
            warm_up: shared.plan.recording.warm_up,
            skip_first: shared.plan.recording.skip_first,
            interval: INTERVAL,
            details: shared.plan.recording.details,
        });
        Self {
            index,
            start: start.instant,
            shared,
            source: RefCell::new(source),
            recorder: RefCell::new(recorder),
            in_flight: RefCell::default(),
            last_end: Cell::default(),
            due: Cell::default(),
            sent: Cell::default(),
            pacing: Cell::new(is_open),
            closing: Cell::default(),
            links,
            head,
            events,
        }
    }

    /// Time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Claims the number of the next call. `None` if there are no more calls, or the run was cancelled.
    pub(super) fn claim(&self) -> Option<u64> {
        self.shared.claim()
    }

    /// Whether the duration of the run, if it has one, is over.
    pub(super) fn is_time_over(&self) -> bool {
        self.shared.plan.stop.duration.is_some() && !self.is_in_time(self.elapsed())
    }

    /// Whether a call with this planned time is made.
    pub(super) fn is_in_time(&self, planned: Duration) -> bool {
        let in_time = self.shared.plan.stop.duration.is_none_or(|duration| planned < duration);
        if !in_time {
            self.shared.end(EndReason::Timeout);
        }
        in_time
    }

    /// Makes the calls of one worker.
    pub(super) fn caller(&self, worker: u32) -> Option<Caller> {
        let index = usize::try_from(worker).unwrap_or_default().checked_rem(self.links.len())?;
        let streaming = self.shared.plan.streaming;
        let times = StreamTimes {
            interval: streaming.interval,
            call_duration: streaming.call_duration,
            receive_count: streaming.receive_count,
        };
        Some(Caller::new(Rc::clone(self.links.get(index)?), Rc::clone(&self.head), times))
    }

    /// Makes a call. Returns false if the run has failed.
    pub(super) async fn call(
        &self,
        caller: &mut Caller,
        worker: u32,
        number: u64,
        planned: Option<Duration>,
    ) -> bool {
        let worker_number = self.shared.worker_number(self.index, worker);
        let request = match self.source.borrow_mut().request(number, worker_number) {
            Ok(request) => request,
            Err(error) => {
                self.shared.fail(error);
                return false;
            }
        };
        let sent = self.elapsed();
        let call = InFlight { number, planned: planned.unwrap_or(sent), sent };
        self.sent.set(self.sent.get() + 1);
        self.recorder.borrow_mut().sent(sent);
        self.set_in_flight(worker, Some(call));
        match caller.call(request).await {
            Ok(answer) => {
                self.set_in_flight(worker, None);
                self.record(&call, &answer);
                true
            }
            Err(error) => {
                self.shared.fail(error);
                false
            }
        }
    }

    /// Counts a call of an open loop that has become due.
    pub(super) fn count_due(&self) {
        self.due.set(self.due.get() + 1);
    }

    /// All planned times are past.
    pub(super) fn end_pacing(&self) {
        self.pacing.set(false);
    }

    /// Closes an open loop that still has planned times: its calls are counted and no longer made. Returns false if it
    /// has none.
    pub(super) fn begin_closing(&self) -> bool {
        self.closing.set(self.pacing.get());
        self.closing.get()
    }

    /// The duration is over: calls are counted and no longer made.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    fn set_in_flight(&self, worker: u32, call: Option<InFlight>) {
        let mut in_flight = self.in_flight.borrow_mut();
        let index = usize::try_from(worker).unwrap_or(usize::MAX);
        if in_flight.len() <= index {
            in_flight.resize(index + 1, None);
        }
        in_flight[index] = call;
    }

    fn record(&self, call: &InFlight, answer: &Answer) {
        let ended = self.elapsed();
        self.last_end.set(ended);
        let text;
        let error = match answer.code {
            Code::Ok => "",
            code => {
                text = format!("rpc error: code = {} desc = {}", code.name(), answer.error);
                &text
            }
        };
        let mut recorder = self.recorder.borrow_mut();
        let complete = recorder.turn(ended);
        recorder.ended(&Call {
            number: call.number,
            planned: call.planned,
            sent: call.sent,
            ended,
            code: answer.code,
            error,
            bytes_sent: answer.bytes_sent,
            bytes_received: answer.bytes_received,
        });
        drop(recorder);
        self.report(complete);
    }

    /// Ends the calls in flight as the plan has it for the end of the duration.
    pub(super) fn end_at_duration(&self) {
        self.shared.end(EndReason::Timeout);
        match self.shared.plan.stop.at_duration {
            AtDuration::Close => self.fail_in_flight(),
            AtDuration::Ignore | AtDuration::Wait => self.ignore_in_flight(),
        }
    }

    fn fail_in_flight(&self) {
        let text = "the client connection is closing: the duration of the run is over";
        let answer = Answer::failed(Code::Unavailable, text);
        let open = std::mem::take(&mut *self.in_flight.borrow_mut());
        open.into_iter().flatten().for_each(|call| self.record(&call, &answer));
    }

    /// Counts the calls in flight as ignored.
    pub(super) fn ignore_in_flight(&self) {
        let now = self.elapsed();
        self.last_end.set(self.last_end.get().max(now));
        let open = std::mem::take(&mut *self.in_flight.borrow_mut());
        open.into_iter().flatten().for_each(|_| self.recorder.borrow_mut().ignored(now));
    }

    /// Reports complete intervals while no call ends.
    pub(super) async fn report_intervals(self: Rc<Self>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let complete = self.recorder.borrow_mut().turn(self.elapsed());
            self.report(complete);
        }
    }

    fn report(&self, interval: Option<Interval>) {
        if let Some(interval) = interval {
            // Fails only if the run has already ended.
            let _sent = self.events.send(Event::Interval(Box::new(interval)));
        }
    }

    /// The results of this thread.
    pub(super) fn finish(&self) -> Results {
        let (mut results, last) = self.recorder.borrow_mut().finish(self.last_end.get());
        results.unsent = self.due.get().saturating_sub(self.sent.get());
        self.report(Some(last));
        results
    }
}
