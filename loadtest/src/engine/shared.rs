//! What the lanes of a run share.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::plan::{Plan, Share};
use crate::{measure::EndReason, problem::Problem};

/// What the lanes of a run share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) lanes: usize,
    pub(super) share: Share,
    next: AtomicU64,
    start: watch::Sender<Option<Start>>,
    /// What `cut` says, for those who look before every call.
    stopped: AtomicBool,
    cut: watch::Sender<bool>,
    end_reason: OnceLock<EndReason>,
    problem: Mutex<Option<Problem>>,
}

/// When a run starts, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) instant: Instant,
    pub(super) time: SystemTime,
}

impl Shared {
    pub(super) fn new(plan: Plan, share: Share, lanes: usize) -> Self {
        Self {
            plan,
            lanes,
            share,
            next: AtomicU64::new(0),
            start: watch::Sender::new(None),
            stopped: AtomicBool::new(false),
            cut: watch::Sender::new(false),
            end_reason: OnceLock::new(),
            problem: Mutex::default(),
        }
    }

    /// The number of the next call of the whole run; none if there is none.
    pub(super) fn claim(&self) -> Option<u64> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let own = self.next.fetch_add(1, Ordering::Relaxed);
        let number = own * u64::from(self.share.of) + u64::from(self.share.index);
        self.plan.stop.calls.is_none_or(|calls| number < calls).then_some(number)
    }

    /// A number for a worker that no other worker of the whole run has.
    pub(super) fn worker(&self, lane: usize, own: u32) -> u32 {
        let of_machine = own.saturating_mul(u32::try_from(self.lanes).unwrap_or(u32::MAX));
        let of_machine = of_machine.saturating_add(u32::try_from(lane).unwrap_or(u32::MAX));
        of_machine.saturating_mul(self.share.of).saturating_add(self.share.index)
    }

    /// The share of this lane of a number that the whole run has.
    pub(super) fn part(&self, whole: u32, lane: usize) -> u32 {
        let parts = u64::from(self.share.of) * self.lanes as u64;
        let place = u64::from(self.share.index) + lane as u64 * u64::from(self.share.of);
        let whole = u64::from(whole);
        u32::try_from(whole / parts + u64::from(place < whole % parts)).unwrap_or(u32::MAX)
    }

    pub(super) fn start(&self, instant: Instant, time: SystemTime) {
        self.start.send_replace(Some(Start { instant, time }));
    }

    /// Waits for the start. None: there will be none.
    pub(super) async fn started(&self) -> Option<Start> {
        let mut start = self.start.subscribe();
        tokio::select! {
            started = start.wait_for(Option::is_some) => started.ok().and_then(|started| *started),
            () = self.cut() => None,
        }
    }

    pub(super) fn interrupt(&self) {
        self.end(EndReason::Cancel);
        self.cut_off();
    }

    /// Ends the run, since a request could not be made or the server not be reached.
    pub(super) fn fail(&self, problem: Problem) {
        self.problem.lock().get_or_insert(problem);
        self.cut_off();
    }

    /// Waits until all calls in flight are to be given up.
    pub(super) async fn cut(&self) {
        let mut cut = self.cut.subscribe();
        // Fails only if the sender is gone, and that is in `self`.
        let _cut = cut.wait_for(|cut| *cut).await;
    }

    fn cut_off(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.cut.send_replace(true);
    }

    /// Says why the run ended; the first word counts.
    pub(super) fn end(&self, reason: EndReason) {
        // Only fails if it was said before.
        let _first = self.end_reason.set(reason);
    }

    pub(super) fn end_reason(&self) -> EndReason {
        self.end_reason.get().copied().unwrap_or(EndReason::Normal)
    }

    /// The problem that ended the run, if one did.
    pub(super) fn outcome(&self) -> Result<(), Problem> {
        self.problem.lock().take().map_or(Ok(()), Err)
    }
}

/// What this process has used of all processors.
pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{AtDuration, Load, Recording, Stop, Streaming},
        schedule::RateSchedule,
        transport::{CallKind, Endpoint},
    };

    fn shared(share: Share, lanes: usize) -> Shared {
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
            threads: Some(lanes),
            recording: Recording { warm_up: Duration::ZERO, skip_first: 0, details: 0 },
        };
        Shared::new(plan, share, lanes)
    }

    #[test]
    fn machines_make_every_call_once() {
        let mut numbers: Vec<u64> = (0..3)
            .flat_map(|index| {
                let machine = shared(Share { index, of: 3 }, 2);
                std::iter::from_fn(move || machine.claim())
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<u64>>());
    }

    #[test]
    fn lanes_of_all_machines_share_workers_evenly() {
        for whole in [0, 1, 5, 6, 7, 50] {
            let parts: Vec<u32> = (0..3)
                .flat_map(|index| (0..2).map(move |lane| shared(Share { index, of: 3 }, 2).part(whole, lane)))
                .collect();
            assert_eq!(parts.iter().sum::<u32>(), whole);
            assert!(parts.iter().max() <= parts.iter().min().map(|least| least + 1).as_ref(), "{parts:?}");
        }
    }

    #[test]
    fn workers_have_numbers_of_their_own() {
        let mut workers: Vec<u32> = (0..2)
            .flat_map(|index| {
                let machine = shared(Share { index, of: 2 }, 3);
                (0..3)
                    .flat_map(move |lane| (0..4).map(move |own| (lane, own)))
                    .map(move |(lane, own)| machine.worker(lane, own))
            })
            .collect();
        workers.sort_unstable();
        assert_eq!(workers, (0..24).collect::<Vec<u32>>());
    }
}
