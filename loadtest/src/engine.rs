//! Makes the calls of a run: one single-threaded runtime per core, each with connections of its own.
//!
//! [`run`] starts the [`thread`]s, waits until all are connected, and collects what they measure. A thread makes its
//! [`calls`] in a [`closed`] or an [`open`] loop. Threads share only the number of the next call.

mod calls;
mod closed;
mod observer;
mod open;
mod plan;
mod shared;
mod thread;
mod timer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread as os_thread,
    time::{Duration, Instant, SystemTime},
};

use self::{calls::Event, shared::Shared};
pub use self::{
    observer::{INTERVAL, Observer, Progress},
    plan::{AtDuration, Load, Plan, Recording, Share, Stop, Streaming, cores},
    shared::Sources,
};
use inrush_report::measure::{Results, Timeline};
use inrush_transport::Error;

/// How often a run checks whether it was interrupted.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// Capacity of the channel for events. A thread, which sends few events per second, blocks while the channel is full.
const EVENT_CAPACITY: usize = 1024;

/// Runs a plan and returns when all calls have ended. The run stops early once `interrupted` is true.
///
/// # Errors
/// If the server cannot be reached at the start, or a request cannot be made.
pub fn run(
    plan: &Plan,
    share: Share,
    sources: Sources<'_>,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Results, Error> {
    let threads = plan.thread_count(share);
    let shared = Arc::new(Shared::new(plan.clone(), share, threads));
    let processor_time = shared::processor_time();
    let (events, received) = sync_channel(EVENT_CAPACITY);
    os_thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|index| {
                let (shared, events) = (Arc::clone(&shared), events.clone());
                scope.spawn(move || thread::run(index, &shared, sources, &events))
            })
            .collect();
        drop(events);
        let timeline = Collector { shared: &shared, observer, interrupted }.collect(&received, threads);
        // Unblocks threads that wait for room in the channel.
        drop(received);
        let parts = handles.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(Error::new("a thread of the run panicked", "this is a bug in inrush-loadtest: report it"))
            })
        });
        let parts = parts.collect::<Vec<_>>();
        shared.outcome()?;
        let mut results = merge(parts)?;
        results.timeline = timeline;
        results.end_reason = shared.end_reason();
        results.processor_time = shared::processor_time().saturating_sub(processor_time);
        Ok(results)
    })
}

fn merge(parts: Vec<Result<Results, Error>>) -> Result<Results, Error> {
    let mut parts = parts.into_iter();
    let first = parts.next();
    let mut whole =
        first.ok_or_else(|| Error::new("the run has no threads", "set --cpus to at least 1"))??;
    for part in parts {
        whole.merge(part?);
    }
    Ok(whole)
}

/// Collects the events of all threads.
struct Collector<'a> {
    shared: &'a Shared,
    observer: &'a mut dyn Observer,
    interrupted: &'a AtomicBool,
}

impl Collector<'_> {
    /// Starts the run once all threads are connected, and returns when all have ended.
    fn collect(&mut self, events: &Receiver<Event>, threads: usize) -> Timeline {
        let mut timeline = Timeline::new(INTERVAL);
        let mut connected = 0;
        let mut started = None;
        let mut shown = Instant::now();
        loop {
            match events.recv_timeout(INTERRUPT_INTERVAL) {
                Ok(Event::Connected) => {
                    connected += 1;
                    if connected == threads {
                        let start = self.observer.start_time();
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
                let progress = Progress { elapsed: started.elapsed(), timeline: &timeline, over: false };
                self.observer.on_progress(&progress);
            }
        }
        let elapsed = started.map_or(Duration::ZERO, |started| started.elapsed());
        self.observer.on_progress(&Progress { elapsed, timeline: &timeline, over: true });
        timeline
    }
}
