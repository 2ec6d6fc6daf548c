//! What the threads of a run share.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use inrush_report::measure::EndReason;
use inrush_transport::Error;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::plan::{Plan, Share};
use crate::message::RequestSource;

/// Makes the source of requests of a thread.
pub type Sources<'a> = &'a (dyn Fn() -> Result<Box<dyn RequestSource>, Error> + Sync);

/// What the threads of a run share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) threads: usize,
    pub(super) share: Share,
    next: AtomicU64,
    start: watch::Sender<Option<Start>>,
    /// The same as `cancelled`, for the check before every call.
    stopped: AtomicBool,
    cancelled: watch::Sender<bool>,
    end_reason: OnceLock<EndReason>,
    error: Mutex<Option<Error>>,
}

/// The start time of a run, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) instant: Instant,
    pub(super) time: SystemTime,
}

impl Shared {
    pub(super) fn new(plan: Plan, share: Share, threads: usize) -> Self {
        Self {
            plan,
            threads,
            share,
            next: AtomicU64::new(0),
            start: watch::Sender::new(None),
            stopped: AtomicBool::new(false),
            cancelled: watch::Sender::new(false),
            end_reason: OnceLock::new(),
            error: Mutex::default(),
        }
    }

    /// Claims the number of the next call of the whole run. `None` if there are no more calls.
    pub(super) fn claim(&self) -> Option<u64> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let own = self.next.fetch_add(1, Ordering::Relaxed);
        let number = own * u64::from(self.share.total) + u64::from(self.share.index);
        self.plan.stop.calls.is_none_or(|calls| number < calls).then_some(number)
    }

    /// The number of a worker, unique in the whole run. `own` is its number within the thread.
    pub(super) fn worker_number(&self, thread: usize, own: u32) -> u32 {
        let of_machine = own.saturating_mul(u32::try_from(self.threads).unwrap_or(u32::MAX));
        let of_machine = of_machine.saturating_add(u32::try_from(thread).unwrap_or(u32::MAX));
        of_machine.saturating_mul(self.share.total).saturating_add(self.share.index)
    }

    /// The part of a thread in a number of the whole run.
    pub(super) fn part(&self, whole: u32, thread: usize) -> u32 {
        let parts = u64::from(self.share.total) * self.threads as u64;
        let index = u64::from(self.share.index) + thread as u64 * u64::from(self.share.total);
        let whole = u64::from(whole);
        u32::try_from(whole / parts + u64::from(index < whole % parts)).unwrap_or(u32::MAX)
    }

    pub(super) fn start(&self, instant: Instant, time: SystemTime) {
        self.start.send_replace(Some(Start { instant, time }));
    }

    /// Waits for the start. `None` if the run was cancelled before.
    pub(super) async fn started(&self) -> Option<Start> {
        let mut start = self.start.subscribe();
        tokio::select! {
            started = start.wait_for(Option::is_some) => started.ok().and_then(|started| *started),
            () = self.cancelled() => None,
        }
    }

    pub(super) fn interrupt(&self) {
        self.end(EndReason::Cancel);
        self.cancel();
    }

    /// Ends the run because a request could not be made or the server not be reached. The first error is kept.
    pub(super) fn fail(&self, error: Error) {
        self.error.lock().get_or_insert(error);
        self.cancel();
    }

    /// Waits until the run is cancelled.
    pub(super) async fn cancelled(&self) {
        let mut cancelled = self.cancelled.subscribe();
        // Fails only if the sender is dropped, which `self` owns.
        let _cancelled = cancelled.wait_for(|cancelled| *cancelled).await;
    }

    fn cancel(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.cancelled.send_replace(true);
    }

    /// Sets the reason for the end of the run. The first one is kept.
    pub(super) fn end(&self, reason: EndReason) {
        // Fails only if there already is a reason.
        let _first = self.end_reason.set(reason);
    }

    pub(super) fn end_reason(&self) -> EndReason {
        self.end_reason.get().copied().unwrap_or(EndReason::Normal)
    }

    /// The error that ended the run, if there is one.
    pub(super) fn outcome(&self) -> Result<(), Error> {
        self.error.lock().take().map_or(Ok(()), Err)
    }
}

/// Processor time that this process has used.
pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use inrush_transport::{CallKind, Endpoint};

    use super::*;
    use crate::{
        engine::{AtDuration, Load, Recording, Stop, Streaming},
        schedule::RateSchedule,
    };

    fn shared(share: Share, threads: usize) -> Shared {
        let plan = Plan {
            endpoint: Endpoint::plain("localhost", 1),
            path: "/a/b".to_owned(),
            kind: CallKind::Unary,
            load: Load::Open { rate: RateSchedule::Constant { rate: 1.0 }, max_in_flight: 1 },
            stop: Stop { calls: Some(10), duration: None, at_duration: AtDuration::Close },
            timeout: None,
            streaming: Streaming::default(),
            compressed: false,
            connections: None,
            threads: Some(threads),
            recording: Recording { warm_up: Duration::ZERO, skip_first: 0, details: 0 },
        };
        Shared::new(plan, share, threads)
    }

    #[test]
    fn the_shares_of_all_machines_cover_every_call_once() {
        let mut numbers: Vec<u64> = (0..3)
            .flat_map(|index| {
                let machine = shared(Share { index, total: 3 }, 2);
                std::iter::from_fn(move || machine.claim())
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<u64>>());
    }

    #[test]
    fn workers_are_divided_evenly_among_the_threads_of_all_machines() {
        for whole in [0, 1, 5, 6, 7, 50] {
            let parts: Vec<u32> = (0..3)
                .flat_map(|index| {
                    (0..2).map(move |thread| shared(Share { index, total: 3 }, 2).part(whole, thread))
                })
                .collect();
            assert_eq!(parts.iter().sum::<u32>(), whole);
            assert!(parts.iter().max() <= parts.iter().min().map(|least| least + 1).as_ref(), "{parts:?}");
        }
    }

    #[test]
    fn worker_numbers_are_unique() {
        let mut workers: Vec<u32> = (0..2)
            .flat_map(|index| {
                let machine = shared(Share { index, total: 2 }, 3);
                (0..3)
                    .flat_map(move |thread| (0..4).map(move |own| (thread, own)))
                    .map(move |(thread, own)| machine.worker_number(thread, own))
            })
            .collect();
        workers.sort_unstable();
        assert_eq!(workers, (0..24).collect::<Vec<u32>>());
    }
}
