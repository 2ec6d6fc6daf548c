//! The buyers of one thread: their state, and which step is due next.
//!
//! A waiting buyer has no task: due steps are in one heap, and a buyer takes a few dozen bytes.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::BinaryHeap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use inrush_report::measure::{Call, Code, Latencies, Recorder, RecorderSettings, Results};
use inrush_transport::{Answer, Endpoint};
use tokio::{sync::Notify, time::Instant};

use super::{
    behaviour::Behaviour,
    contradictions::Contradictions,
    remaining::{Measures, Remaining},
    scenario::Scenario,
    shared::{INTERVAL, Phase, Shared},
    ticket::Ticket,
};
use crate::{arrivals::Arrivals, buyer::Buyer, rpc::Calls};

/// The settings of the buyers of a thread.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// What the sale is like.
    pub(super) scenario: Arc<Scenario>,
    /// When buyers arrive.
    pub(super) arrivals: Arrivals,
    /// The front.
    pub(super) endpoint: Endpoint,
    /// Connections of this thread.
    pub(super) connections: usize,
    /// The sale's id.
    pub(super) sale: Arc<str>,
    /// Whether the sale had no buyers before this run.
    pub(super) fresh: bool,
    /// Whether the sale is closed at the end, so that every ticket reaches a final state.
    pub(super) closes: bool,
    /// Whether the order system releases unpaid orders itself; otherwise their buyers do.
    pub(super) releases_itself: bool,
    /// Which thread this is, from 0.
    pub(super) thread: u32,
    /// Number of threads. Of N threads, each has every N-th buyer.
    pub(super) threads: u32,
    /// What all threads share.
    pub(super) shared: Arc<Shared>,
}

/// What a buyer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Sends Enqueue.
    Enqueue,
    /// Sends Enqueue a second time.
    Repeat,
    /// Repeats Enqueue instead of polling.
    Refresh,
    /// Sends PollStatus.
    Poll,
    /// Opens WatchStatus.
    Watch,
    /// Sends Cancel.
    Cancel,
    /// The order was not paid: sends ReleaseOrder.
    Release,
}

/// Which latencies a call counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meter {
    Enqueue,
    Poll,
    Other,
}

impl Step {
    /// `None` for a watch, which is open as long as its ticket waits.
    pub(super) fn meter(self) -> Option<Meter> {
        match self {
            Self::Enqueue | Self::Repeat | Self::Refresh => Some(Meter::Enqueue),
            Self::Poll => Some(Meter::Poll),
            Self::Cancel | Self::Release => Some(Meter::Other),
            Self::Watch => None,
        }
    }
}

/// A step and when it is to be taken, since the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: Duration,
    pub(super) buyer: Buyer,
    pub(super) step: Step,
}

/// A buyer who has arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    /// The ticket it holds, as an index of the list of all.
    pub(super) ticket: Option<u32>,
    /// When it arrived, since the opening.
    pub(super) arrived: Duration,
    /// When the present request was first sent.
    pub(super) asked: Option<Duration>,
    /// Failures in a row.
    pub(super) failures: u8,
    /// The first request was answered.
    pub(super) answered: bool,
    /// The second request was sent.
    pub(super) repeated: bool,
    /// The cancellation was sent.
    pub(super) cancelled: bool,
    /// Has no further step.
    pub(super) done: bool,
}

impl Visitor {
    const fn new(arrived: Duration) -> Self {
        Self {
            ticket: None,
            arrived,
            asked: None,
            failures: 0,
            answered: false,
            repeated: false,
            cancelled: false,
            done: false,
        }
    }
}

/// The buyers of one thread.
pub(super) struct Buyers {
    pub(super) part: Part,
    pub(super) calls: Rc<Calls>,
    pub(super) opening: Instant,
    pub(super) state: RefCell<State>,
    pub(super) woken: Notify,
    /// How many buyers of this thread may wait for their first answer at the same time.
    limit: Option<usize>,
}

pub(super) struct State {
    visitors: Vec<Visitor>,
    pub(super) tickets: Vec<Ticket>,
    pub(super) contradictions: Contradictions,
    pub(super) final_answers: Latencies,
    pub(super) tracks: Vec<(u64, f64, u64)>,
    due: BinaryHeap<Reverse<Due>>,
    pub(super) in_flight: usize,
    /// Buyers that have arrived and have no answer yet.
    unanswered: usize,
    meters: [Metered; 3],
}

/// A recorder, and what it has handed over.
struct Metered {
    recorder: Recorder,
    /// When the last call ended.
    last_ended: Duration,
    intervals: Vec<inrush_report::measure::Interval>,
}

impl Buyers {
    pub(super) fn new(part: Part, calls: Rc<Calls>, opening: Instant) -> Rc<Self> {
        let settings = RecorderSettings {
            started: SystemTime::now(),
            open_loop: part.arrivals.limit().is_none(),
            warm_up: Duration::ZERO,
            skip_first: 0,
            interval: INTERVAL,
            details: 0,
        };
        let meter = || Metered {
            recorder: Recorder::new(settings),
            last_ended: Duration::ZERO,
            intervals: Vec::new(),
        };
        let state = State {
            visitors: Vec::new(),
            tickets: Vec::new(),
            contradictions: Contradictions::default(),
            final_answers: Latencies::new(),
            tracks: Vec::new(),
            due: BinaryHeap::new(),
            in_flight: 0,
            unanswered: 0,
            meters: [meter(), meter(), meter()],
        };
        let limit = part.arrivals.limit().map(|limit| limit.div_ceil(part.threads.max(1)));
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Rc::new(Self { part, calls, opening, state: RefCell::new(state), woken: Notify::new(), limit })
    }

    /// Since the opening.
    pub(super) fn now(&self) -> Duration {
        self.opening.elapsed()
    }

    pub(super) fn behaviour(&self, buyer: Buyer) -> Behaviour {
        Behaviour::of(buyer, self.part.scenario.seed, &self.part.scenario.shares)
    }

    /// Changes the state of a buyer of this thread.
    pub(super) fn with_visitor<T>(&self, buyer: Buyer, change: impl FnOnce(&mut Visitor) -> T) -> Option<T> {
        let place = usize::try_from(buyer / self.part.threads).ok()?;
        self.state.borrow_mut().visitors.get_mut(place).map(change)
    }

    /// The state of a buyer of this thread.
    pub(super) fn visitor(&self, buyer: Buyer) -> Visitor {
        self.with_visitor(buyer, |visitor| *visitor).unwrap_or(Visitor::new(Duration::ZERO))
    }

    /// Schedules the next step of a buyer.
    pub(super) fn plan(&self, buyer: Buyer, step: Step, at: Duration) {
        if self.part.shared.phase() == Phase::Rush {
            self.state.borrow_mut().due.push(Reverse(Due { at, buyer, step }));
            self.woken.notify_one();
        }
    }

    /// The next step that is due: of a buyer who arrives, or of one who is there.
    pub(super) fn take_due(&self, now: Duration) -> Option<Due> {
        let arrival = self.next_arrival();
        let mut state = self.state.borrow_mut();
        let planned = state.due.peek().map(|Reverse(due)| due.at);
        match arrival {
            Some((at, buyer)) if planned.is_none_or(|planned| at <= planned) => {
                if at > now {
                    return None;
                }
                // A delayed buyer arrives now: its time is not planned.
                let at = if self.limit.is_some() { now } else { at };
                state.visitors.push(Visitor::new(at));
                state.unanswered += 1;
                self.part.shared.counters.arrived.count();
                Some(Due { at, buyer, step: Step::Enqueue })
            }
            _ if planned.is_some_and(|planned| planned <= now) => state.due.pop().map(|Reverse(due)| due),
            _ => None,
        }
    }

    fn next_arrival(&self) -> Option<(Duration, Buyer)> {
        let state = self.state.borrow();
        if self.limit.is_some_and(|limit| state.unanswered >= limit) {
            return None;
        }
        let arrived = Buyer::try_from(state.visitors.len()).ok()?;
        let buyer = arrived.checked_mul(self.part.threads)?.checked_add(self.part.thread)?;
        (buyer < self.part.scenario.buyers).then(|| (self.part.arrivals.of(buyer), buyer))
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let planned = self.state.borrow().due.peek().map(|Reverse(due)| due.at);
        [planned, self.next_arrival().map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// Calls in flight, without watches.
    pub(super) fn in_calls(&self) -> usize {
        self.state.borrow().in_flight
    }

    /// Excludes a watch from the calls in flight.
    pub(super) fn exempt(&self) {
        self.state.borrow_mut().in_flight -= 1;
    }

    /// The reverse of [`Self::exempt`].
    pub(super) fn count_again(&self) {
        self.state.borrow_mut().in_flight += 1;
    }

    /// A buyer has its first answer.
    pub(super) fn first_answer(&self) {
        self.state.borrow_mut().unanswered -= 1;
        self.part.shared.first_answer(self.now());
    }

    /// A call is being sent.
    pub(super) fn meter_sent(&self, meter: Meter) {
        let now = self.now();
        self.state.borrow_mut().meters[meter as usize].recorder.sent(now);
    }

    /// A call has ended.
    pub(super) fn meter_ended(&self, meter: Meter, planned: Duration, sent: Duration, answer: &Answer) {
        let Answer { code, error, bytes_sent, bytes_received, .. } = answer;
        let (ended, (bytes_sent, bytes_received)) = (self.now(), (*bytes_sent, *bytes_received));
        let call = Call { number: 0, planned, sent, ended, code: *code, error, bytes_sent, bytes_received };
        let metered = &mut self.state.borrow_mut().meters[meter as usize];
        metered.recorder.ended(&call);
        metered.last_ended = ended;
        if *code != Code::Ok {
            self.part.shared.counters.failures.count();
        }
    }

    pub(super) fn turn_meters(&self, now: Duration) {
        for metered in &mut self.state.borrow_mut().meters {
            if let Some(interval) = metered.recorder.turn(now) {
                self.part.shared.calls().add(&interval);
                metered.intervals.push(interval);
            }
        }
    }

    /// The results of this thread when all buyers have ended.
    pub(super) fn leave(&self) -> Remaining {
        let mut state = self.state.borrow_mut();
        let Part { thread, threads, .. } = self.part;
        let unresolved = state.visitors.iter().zip(0_u32..).filter(|(visitor, _)| visitor.asked.is_some());
        let unresolved = unresolved.map(|(_, place)| place * threads + thread).collect();
        let [enqueues, polls, others] = state.meters.each_mut().map(Metered::finish);
        Remaining {
            tickets: std::mem::take(&mut state.tickets),
            unresolved,
            contradictions: std::mem::take(&mut state.contradictions),
            measures: Measures {
                enqueues,
                polls,
                others,
                final_answers: state.final_answers.clone(),
                tracks: std::mem::take(&mut state.tracks),
            },
        }
    }
}

impl Metered {
    /// The rate is per second until the end of the last call.
    fn finish(&mut self) -> Results {
        let (mut results, last) = self.recorder.finish(self.last_ended);
        for interval in self.intervals.drain(..).chain([last]) {
            results.timeline.add(&interval);
        }
        results
    }
}
