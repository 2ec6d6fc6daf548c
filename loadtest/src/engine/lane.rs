//! One thread of a run: a single-threaded runtime with connections of its own.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    task::{JoinSet, LocalSet, spawn_local},
    time::{MissedTickBehavior, interval, sleep_until},
};

use super::{
    INTERVAL, Sources, closed, open,
    plan::{AtDuration, Load},
    shared::{Shared, Start},
};
use crate::{
    measure::{Call, Code, EndReason, Interval, Recorder, RecorderSettings, Results},
    message::RequestSource,
    problem::Problem,
    transport::{Answer, Caller, Head, Link, StreamTimes, TlsConnector},
};

/// What a lane tells.
pub(super) enum Event {
    /// Its connections are open.
    Connected,
    /// It saw this.
    Interval(Box<Interval>),
}

/// Runs a lane on the current thread until its calls have ended.
pub(super) fn run(
    index: usize,
    shared: &Arc<Shared>,
    sources: Sources<'_>,
    events: &SyncSender<Event>,
) -> Result<Results, Problem> {
    let result =
        Builder::new_current_thread().enable_all().build().map_err(|error| no_runtime(&error)).and_then(
            |runtime| {
                LocalSet::new().block_on(&runtime, async {
                    let lane = Lane::connect(index, Arc::clone(shared), sources, events.clone()).await?;
                    lane.make_calls().await
                })
            },
        );
    if let Err(problem) = &result {
        shared.fail(problem.clone());
    }
    result
}

/// What the tasks of a thread share.
pub(super) struct Lane {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    start: Instant,
    source: RefCell<Box<dyn RequestSource>>,
    recorder: RefCell<Recorder>,
    /// The calls in flight, by the worker that makes them.
    in_flight: RefCell<Vec<Option<InFlight>>>,
    ended: Cell<Duration>,
    /// How many calls of an open loop have become due.
    due: Cell<u64>,
    sent: Cell<u64>,
    /// There are more planned times to come.
    pacing: Cell<bool>,
    closing: Cell<bool>,
    links: Vec<Rc<Link>>,
    head: Rc<Head>,
    events: SyncSender<Event>,
}

/// Why a lane makes no more calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All have ended.
    Done,
    /// The run was interrupted, or has failed.
    Cut,
    /// Its time is over.
    TimeOver,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    number: u64,
    planned: Duration,
    sent: Duration,
}

impl Lane {
    /// Opens this lane's connections and waits for the start.
    async fn connect(
        index: usize,
        shared: Arc<Shared>,
        sources: Sources<'_>,
        events: SyncSender<Event>,
    ) -> Result<Rc<Self>, Problem> {
        let plan = &shared.plan;
        let source = sources()?;
        let mut head = Head::new(&plan.endpoint, &plan.path, plan.timeout)?;
        if plan.compressed {
            head = head.compressed();
        }
        let tls = TlsConnector::of(&plan.endpoint)?;
        let endpoint = Rc::new(plan.endpoint.clone());
        let mut links = Vec::new();
        let all = plan.connections_of(shared.share).unwrap_or(shared.lanes);
        for number in (index..all).step_by(shared.lanes) {
            let link = Link::open(Rc::clone(&endpoint), tls.clone(), number).await;
            links.push(link.map_err(|failure| failure.problem())?);
        }
        // Fails only if the run is over already.
        let _heard = events.send(Event::Connected);
        let Some(Start { instant: start, time }) = shared.started().await else {
            return Err(Problem::new("the run was interrupted before it began", "run it again"));
        };
        let recorder = Recorder::new(RecorderSettings {
            started: time,
            open_loop: matches!(plan.load, Load::Open { .. }),
            warm_up: plan.recording.warm_up,
            skip_first: plan.recording.skip_first,
            interval: INTERVAL,
            details: plan.recording.details,
        });
        Ok(Rc::new(Self {
            index,
            start,
            source: RefCell::new(source),
            recorder: RefCell::new(recorder),
            in_flight: RefCell::default(),
            ended: Cell::default(),
            due: Cell::default(),
            sent: Cell::default(),
            pacing: Cell::new(matches!(shared.plan.load, Load::Open { .. })),
            closing: Cell::default(),
            links,
            head: Rc::new(head),
            events,
            shared,
        }))
    }

    /// Makes this lane's calls, until there are no more or the time is over.
    async fn make_calls(self: Rc<Self>) -> Result<Results, Problem> {
        let ticker = spawn_local(Rc::clone(&self).tell_intervals());
        let mut workers = JoinSet::new();
        let ending = {
            let mut calls = pin!(self.loop_calls(&mut workers));
            let ending = tokio::select! {
                biased;
                () = self.shared.cut() => Ending::Cut,
                () = self.time_over() => Ending::TimeOver,
                () = &mut calls => Ending::Done,
            };
            if ending == Ending::TimeOver && self.pacing.get() {
                // Calls that became due while this machine was too slow to send them are not forgotten.
                self.closing.set(true);
                calls.await;
            }
            ending
        };
        workers.shutdown().await;
        match ending {
            Ending::Done => {}
            Ending::Cut => self.ignore_in_flight(),
            Ending::TimeOver => self.give_up_at_duration(),
        }
        ticker.abort();
        Ok(self.finish())
    }

    async fn loop_calls(self: &Rc<Self>, tasks: &mut JoinSet<()>) {
        sleep_until(self.start.into()).await;
        match &self.shared.plan.load {
            Load::Closed { workers, pace } => closed::run(self, tasks, workers, pace.as_ref()).await,
            Load::Open { rate, max_in_flight } => open::run(self, tasks, rate, *max_in_flight).await,
        }
    }

    /// Waits for the end of the run's time, if calls are to be cut off by it.
    async fn time_over(&self) {
        let stop = self.shared.plan.stop;
        match (stop.duration, stop.at_duration) {
            (Some(duration), AtDuration::Close | AtDuration::Ignore) => {
                sleep_until((self.start + duration).into()).await;
            }
            (Some(_), AtDuration::Wait) | (None, _) => std::future::pending().await,
        }
    }

    /// Since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment so long after the start of the run.
    pub(super) fn instant(&self, elapsed: Duration) -> Instant {
        self.start + elapsed
    }

    /// The number of the next call; none if there is none, or the time is over.
    pub(super) fn claim(&self) -> Option<u64> {
        self.shared.claim()
    }

    /// Whether the time of the run, if it has one, is over.
    pub(super) fn time_is_over(&self) -> bool {
        self.shared.plan.stop.duration.is_some() && !self.in_time(self.elapsed())
    }

    /// Whether a call planned for then is still to be made.
    pub(super) fn in_time(&self, planned: Duration) -> bool {
        let in_time = self.shared.plan.stop.duration.is_none_or(|duration| planned < duration);
        if !in_time {
            self.shared.end(EndReason::Timeout);
        }
        in_time
    }

    /// Something that makes calls, for the worker of a number.
    pub(super) fn caller(&self, worker: u32) -> Option<Caller> {
        let turn = usize::try_from(worker).unwrap_or_default().checked_rem(self.links.len())?;
        let streaming = self.shared.plan.streaming;
        let times = StreamTimes {
            interval: streaming.interval,
            call_duration: streaming.call_duration,
            receive_count: streaming.receive_count,
        };
        Some(Caller::new(Rc::clone(self.links.get(turn)?), Rc::clone(&self.head), times))
    }

    /// Makes a call. False: no more are to be made.
    pub(super) async fn call(
        &self,
        caller: &mut Caller,
        worker: u32,
        number: u64,
        planned: Option<Duration>,
    ) -> bool {
        let name = self.shared.worker(self.index, worker);
        let request = match self.source.borrow_mut().request(number, name) {
            Ok(request) => request,
            Err(problem) => {
                self.shared.fail(problem);
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
            Err(problem) => {
                self.shared.fail(problem);
                false
            }
        }
    }

    /// A call of an open loop is due.
    pub(super) fn due(&self) {
        self.due.set(self.due.get() + 1);
    }

    /// All planned times are past.
    pub(super) fn paced(&self) {
        self.pacing.set(false);
    }

    /// The time is over: calls are not made any more, only counted.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    fn set_in_flight(&self, worker: u32, call: Option<InFlight>) {
        let mut in_flight = self.in_flight.borrow_mut();
        let place = usize::try_from(worker).unwrap_or(usize::MAX);
        if in_flight.len() <= place {
            in_flight.resize(place + 1, None);
        }
        in_flight[place] = call;
    }

    fn record(&self, call: &InFlight, answer: &Answer) {
        let ended = self.elapsed();
        self.ended.set(ended);
        let text;
        let error = match answer.code {
            Code::Ok => "",
            code => {
                text = format!("rpc error: code = {} desc = {}", code.name(), answer.error);
                &text
            }
        };
        let mut recorder = self.recorder.borrow_mut();
        let before = recorder.turn(ended);
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
        self.tell(before);
    }

    fn give_up_at_duration(&self) {
        self.shared.end(EndReason::Timeout);
        match self.shared.plan.stop.at_duration {
            AtDuration::Close => self.close_in_flight(),
            AtDuration::Ignore | AtDuration::Wait => self.ignore_in_flight(),
        }
    }

    fn close_in_flight(&self) {
        let answer =
            Answer::failed(Code::Unavailable, "the client connection is closing: the run's time is over");
        let open = std::mem::take(&mut *self.in_flight.borrow_mut());
        open.into_iter().flatten().for_each(|call| self.record(&call, &answer));
    }

    fn ignore_in_flight(&self) {
        let now = self.elapsed();
        self.ended.set(self.ended.get().max(now));
        let open = std::mem::take(&mut *self.in_flight.borrow_mut());
        open.into_iter().flatten().for_each(|_| self.recorder.borrow_mut().ignored(now));
    }

    /// Tells what was seen also while nothing ends.
    async fn tell_intervals(self: Rc<Self>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let before = self.recorder.borrow_mut().turn(self.elapsed());
            self.tell(before);
        }
    }

    fn tell(&self, interval: Option<Interval>) {
        if let Some(interval) = interval {
            // Fails only if the run is over already, and then nobody wants to know.
            let _heard = self.events.send(Event::Interval(Box::new(interval)));
        }
    }

    fn finish(&self) -> Results {
        let (mut results, last) = self.recorder.borrow_mut().finish(self.ended.get());
        results.unsent = self.due.get().saturating_sub(self.sent.get());
        self.tell(Some(last));
        results
    }
}

fn no_runtime(error: &std::io::Error) -> Problem {
    Problem::new(
        format!("a thread of the run cannot start: {error}"),
        "allow this process more open files: `ulimit -n`",
    )
}
