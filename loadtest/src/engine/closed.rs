//! A closed loop: each worker waits for an answer before its next call.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::calls::Calls;
use crate::schedule::{ConcurrencySchedule, PlannedTimes, RateSchedule};

/// Maximum delay of a change in the number of workers.
const MAX_CHANGE_DELAY: Duration = Duration::from_millis(20);

/// Makes calls until there are no more.
pub(super) async fn run(
    calls: &Rc<Calls>,
    tasks: &mut JoinSet<()>,
    schedule: &ConcurrencySchedule,
    pace: Option<&RateSchedule>,
) {
    let pace = pace.map(|pace| Rc::new(RefCell::new(pace.times())));
    let (active, _) = watch::channel(0);
    let mut spawned = 0;
    loop {
        let workers = calls.shared.part(schedule.workers(calls.elapsed()), calls.index);
        active.send_replace(workers);
        for number in spawned..workers {
            let worker =
                Worker { calls: Rc::clone(calls), number, active: active.subscribe(), pace: pace.clone() };
            tasks.spawn_local(worker.run());
        }
        spawned = spawned.max(workers);
        match schedule.changes_every() {
            None => break,
            Some(every) => {
                tokio::select! {
                    () = sleep(every.min(MAX_CHANGE_DELAY)) => {}
                    _ = tasks.join_next(), if !tasks.is_empty() => break,
                }
            }
        }
    }
    // The first worker that ends has found that there are no more calls. Dropping the channel ends inactive workers.
    if schedule.changes_every().is_some() {
        drop(active);
    }
    while tasks.join_next().await.is_some() {}
}

struct Worker {
    calls: Rc<Calls>,
    number: u32,
    /// The number of workers that make calls.
    active: watch::Receiver<u32>,
    pace: Option<Rc<RefCell<PlannedTimes>>>,
}

impl Worker {
    async fn run(mut self) {
        let Some(mut caller) = self.calls.caller(self.number) else { return };
        loop {
            let number = self.number;
            if *self.active.borrow() <= number
                && self.active.wait_for(|active| *active > number).await.is_err()
            {
                return;
            }
            let Some(call) = self.next().await else { return };
            if !self.calls.call(&mut caller, self.number, call, None).await {
                return;
            }
        }
    }

    /// Claims the next call and waits for its time.
    async fn next(&self) -> Option<u64> {
        if self.calls.is_time_over() {
            return None;
        }
        let call = self.calls.claim()?;
        if let Some(pace) = &self.pace {
            let due = pace.borrow_mut().due(call)?;
            if !self.calls.is_in_time(due) {
                return None;
            }
            sleep_until((self.calls.start + due).into()).await;
        }
        Some(call)
    }
}
