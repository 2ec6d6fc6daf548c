//! Makes the calls: one single-threaded runtime per core, each with connections of its own.
//!
//! [`run`] starts a [`lane`] on every thread, waits until all are connected, and collects what they see. A lane makes its
//! calls in a [`closed`] or an [`open`] loop. Lanes share nothing but the number of the next call.

mod alarm;
mod closed;
mod lane;
mod open;
mod plan;
mod shared;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

pub use self::plan::{AtDuration, Load, Plan, Recording, Share, Stop, Streaming, cores};
use self::{lane::Event, shared::Shared};
use crate::{
    measure::{Results, Timeline},
    message::RequestSource,
    problem::Problem,
};

/// Makes one source of requests for each thread.
pub type Sources<'a> = &'a (dyn Fn() -> Result<Box<dyn RequestSource>, Problem> + Sync);

/// Width of a timeline's intervals at the start of a run.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// How often a run looks for an interruption.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Between the moment when all lanes are connected and the first call, so that none of them starts late.
const BEFORE_START: Duration = Duration::from_millis(10);

/// Intervals that may be on their way from the lanes. A lane waits while there are more: it makes few a second.
const EVENTS: usize = 1024;

/// Sees a run while it goes on.
pub trait Observer {
    /// All connections are open. Tells when the run shall start.
    fn ready(&mut self) -> Instant {
        Instant::now() + BEFORE_START
    }

    /// Called about four times a second, and once when the run is over.
    fn see(&mut self, progress: &Progress<'_>);
}

/// How far a run is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Since the start.
    pub elapsed: Duration,
    /// How the run went so far. The last interval may still grow.
    pub timeline: &'a Timeline,
    /// The run is over.
    pub over: bool,
}

/// Carries a plan out and returns when all calls have ended. The run stops early once `interrupted` is true.
///
/// # Errors
/// When the server cannot be reached at the start, or a request cannot be made.
pub fn run(
    plan: &Plan,
    share: Share,
    sources: Sources<'_>,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Results, Problem> {
    let lanes = plan.lanes(share);
    let shared = Arc::new(Shared::new(plan.clone(), share, lanes));
    let processor_time = shared::processor_time();
    let (events, seen) = sync_channel(EVENTS);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes)
            .map(|index| {
                let (shared, events) = (Arc::clone(&shared), events.clone());
                scope.spawn(move || lane::run(index, &shared, sources, &events))
            })
            .collect();
        drop(events);
        let timeline = Collector { shared: &shared, observer, interrupted }.collect(&seen, lanes);
        // A lane that waits to be heard must find out that nobody listens any more.
        drop(seen);
        let parts = threads.into_iter().map(|lane| {
            lane.join().unwrap_or_else(|_| {
                Err(Problem::new("a thread of the run failed", "this is a fault of the load tool"))
            })
        });
        let parts = parts.collect::<Vec<_>>();
        shared.outcome()?;
        let mut whole: Option<Results> = None;
        for part in parts {
            let part = part?;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => whole.merge(part),
            }
        }
        let mut whole =
            whole.ok_or_else(|| Problem::new("the run has no threads", "give --cpus of at least 1"))?;
        whole.timeline = timeline;
        whole.end_reason = shared.end_reason();
        whole.processor_time = shared::processor_time().saturating_sub(processor_time);
        Ok(whole)
    })
}

/// Hears what the lanes see.
struct Collector<'a> {
    shared: &'a Shared,
    observer: &'a mut dyn Observer,
    interrupted: &'a AtomicBool,
}

impl Collector<'_> {
    /// Starts the run once all lanes are connected, and returns when all have left.
    fn collect(&mut self, seen: &Receiver<Event>, lanes: usize) -> Timeline {
        let mut timeline = Timeline::new(INTERVAL);
        let mut connected = 0;
        let mut started = None;
        let mut shown = Instant::now();
        loop {
            match seen.recv_timeout(LOOK_EVERY) {
                Ok(Event::Connected) => {
                    connected += 1;
                    if connected == lanes {
                        let start = self.observer.ready();
                        started = Some(start);
                        self.shared.start(start, SystemTime::now() + (start - Instant::now()));
                    }
                }
                Ok(Event::Interval(interval)) => timeline.add(&interval),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.interrupted.load(Ordering::Relaxed) {
                self.shared.interrupt();
            }
            if let Some(started) = started
                && shown.elapsed() >= INTERVAL
            {
                shown = Instant::now();
                self.observer.see(&Progress { elapsed: started.elapsed(), timeline: &timeline, over: false });
            }
        }
        let elapsed = started.map_or(Duration::ZERO, |started| started.elapsed());
        self.observer.see(&Progress { elapsed, timeline: &timeline, over: true });
        timeline
    }
}
