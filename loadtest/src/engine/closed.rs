//! A closed loop: workers that each wait for an answer before they call again.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::lane::Lane;
use crate::schedule::{ConcurrencySchedule, PlannedTimes, RateSchedule};

/// How often a changing number of workers is looked at, at least: a change may be a little late, and must not be missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Makes calls until there are no more.
pub(super) async fn run(
    lane: &Rc<Lane>,
    tasks: &mut JoinSet<()>,
    schedule: &ConcurrencySchedule,
    pace: Option<&RateSchedule>,
) {
    let pace = pace.map(|pace| Rc::new(RefCell::new(pace.times())));
    let (wanted, _) = watch::channel(0);
    let mut hired = 0;
    loop {
        let workers = lane.shared.part(schedule.workers(lane.elapsed()), lane.index);
        wanted.send_replace(workers);
        for number in hired..workers {
            let worker =
                Worker { lane: Rc::clone(lane), number, wanted: wanted.subscribe(), pace: pace.clone() };
            tasks.spawn_local(worker.work());
        }
        hired = hired.max(workers);
        match schedule.changes_every() {
            None => break,
            Some(every) => {
                tokio::select! {
                    () = sleep(every.min(LOOK_EVERY)) => {}
                    _ = tasks.join_next(), if !tasks.is_empty() => break,
                }
            }
        }
    }
    // The first worker that leaves has found that there are no more calls; those that rest must leave as well.
    if schedule.changes_every().is_some() {
        drop(wanted);
    }
    while tasks.join_next().await.is_some() {}
}

struct Worker {
    lane: Rc<Lane>,
    number: u32,
    wanted: watch::Receiver<u32>,
    pace: Option<Rc<RefCell<PlannedTimes>>>,
}

impl Worker {
    async fn work(mut self) {
        let Some(mut caller) = self.lane.caller(self.number) else { return };
        loop {
            let number = self.number;
            if *self.wanted.borrow() <= number
                && self.wanted.wait_for(|wanted| *wanted > number).await.is_err()
            {
                return;
            }
            let Some(call) = self.next().await else { return };
            if !self.lane.call(&mut caller, self.number, call, None).await {
                return;
            }
        }
    }

    /// The next call's number, once it may be made.
    async fn next(&self) -> Option<u64> {
        if self.lane.time_is_over() {
            return None;
        }
        let call = self.lane.claim()?;
        if let Some(pace) = &self.pace {
            let due = pace.borrow_mut().due(call)?;
            if !self.lane.in_time(due) {
                return None;
            }
            sleep_until(self.lane.instant(due).into()).await;
        }
        Some(call)
    }
}
