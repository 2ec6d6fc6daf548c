//! Runs the buyers of one thread from the opening to the final check. Only calls in flight and watches are tasks.

use std::{rc::Rc, time::Duration};

use inrush_transport::Error;
use tokio::{
    task::{LocalSet, spawn_local},
    time::{Instant, sleep_until},
};

use super::{
    buyers::{Buyers, Due, Part},
    final_check,
    remaining::Remaining,
    shared::Phase,
};
use crate::{rpc::Calls, threads::Start};

/// Maximum number of calls in flight of a thread. Beyond it buyers are delayed and count as late. The limit bounds the
/// memory: a call in flight takes a few kilobytes.
const MAX_IN_FLIGHT: usize = 40_000;

/// Interval at which a thread checks whether the sale is over.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Runs a thread's buyers from the opening until the sale is over. Blocks the thread.
///
/// # Errors
/// When the front cannot be reached at the start.
pub(super) fn play(part: Part, start: Start) -> Result<Remaining, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(
            format!("a thread cannot be set up: {error}"),
            "close other programs, or give fewer --cpus",
        )
    })?;
    LocalSet::new().block_on(&runtime, async {
        let calls = Calls::open(&part.endpoint, part.connections, part.scenario.timeout).await;
        let (calls, opening) = start.wait(calls)?;
        let buyers = Buyers::new(part, calls, opening.into());
        run(&buyers).await;
        Ok(buyers.leave())
    })
}

/// Runs the arrivals and steps of buyers, then the final check.
async fn run(buyers: &Rc<Buyers>) {
    while buyers.part.shared.phase() == Phase::Rush {
        let now = buyers.now();
        let held_up = start_due(buyers, now);
        buyers.turn_meters(now);
        let next = if held_up { None } else { buyers.next_due() };
        let wake = next.map_or(now + CHECK_INTERVAL, |next| next.min(now + CHECK_INTERVAL));
        tokio::select! {
            () = sleep_until(buyers.opening + wake) => {}
            () = buyers.woken.notified() => {}
        }
    }
    finish_calls(buyers).await;
    final_check::run(buyers).await;
}

/// Starts all due steps. True: the maximum number of calls is in flight.
fn start_due(buyers: &Rc<Buyers>, now: Duration) -> bool {
    loop {
        if buyers.in_calls() >= MAX_IN_FLIGHT {
            return true;
        }
        let Some(Due { at, buyer, step }) = buyers.take_due(now) else { return false };
        buyers.state.borrow_mut().in_flight += 1;
        let buyers = Rc::clone(buyers);
        spawn_local(async move {
            buyers.take_step(buyer, step, at).await;
            buyers.state.borrow_mut().in_flight -= 1;
            buyers.woken.notify_one();
        });
    }
}

/// Waits until calls in flight have ended, so that the final check covers their answers.
async fn finish_calls(buyers: &Buyers) {
    let deadline = Instant::now() + buyers.part.scenario.timeout + CHECK_INTERVAL;
    while buyers.in_calls() > 0 && Instant::now() < deadline {
        tokio::select! {
            () = sleep_until(Instant::now() + CHECK_INTERVAL) => {}
            () = buyers.woken.notified() => {}
        }
    }
}
