//! An open loop: calls at planned times, however slow the answers are.
//!
//! A pacer waits for the planned times and hands each call to a worker that is free; where none is, it hires one. So the
//! number of workers is the number of calls in flight, up to a limit beyond which a call that is due counts as unsent.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::{JoinSet, yield_now};

use super::{alarm::Alarm, lane::Lane};
use crate::{problem::Problem, schedule::RateSchedule};

/// After so many calls in a row that were due already, others get their turn.
const IN_A_ROW: u32 = 32;

/// Makes calls at their times until there are no more.
pub(super) async fn run(lane: &Rc<Lane>, tasks: &mut JoinSet<()>, rate: &RateSchedule, max_in_flight: u32) {
    let alarm = match Alarm::new() {
        Ok(alarm) => alarm,
        Err(error) => {
            let remedy = "allow this process more open files: `ulimit -n`";
            return lane.shared.fail(Problem::new(format!("there is no timer: {error}"), remedy));
        }
    };
    let limit = lane.shared.part(max_in_flight, lane.index).max(1);
    let desk = Rc::new(Desk::default());
    let mut times = rate.times();
    let mut in_a_row = 0;
    while let Some(number) = lane.claim() {
        let Some(planned) = times.due(number).filter(|planned| lane.in_time(*planned)) else { break };
        if planned > lane.elapsed() {
            in_a_row = 0;
            alarm.until(lane.instant(planned)).await;
        } else {
            in_a_row += 1;
            if in_a_row >= IN_A_ROW {
                in_a_row = 0;
                yield_now().await;
            }
        }
        lane.due();
        if !lane.is_closing()
            && let Handed::Hire(worker) = desk.hand(Due { number, planned }, limit)
        {
            tasks.spawn_local(work(Rc::clone(lane), Rc::clone(&desk), worker));
        }
    }
    lane.paced();
    if !lane.is_closing() {
        desk.close();
        while tasks.join_next().await.is_some() {}
    }
}

async fn work(lane: Rc<Lane>, desk: Rc<Desk>, worker: u32) {
    let Some(mut caller) = lane.caller(worker) else { return };
    while let Some(Due { number, planned }) = poll_fn(|context| desk.poll_next(context)).await {
        if !lane.call(&mut caller, worker, number, Some(planned)).await {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Due {
    number: u64,
    planned: Duration,
}

/// Where the pacer hands calls to workers.
#[derive(Default)]
struct Desk(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    due: VecDeque<Due>,
    /// Workers without a call. The last that became free is taken first: what it needs is still in the caches.
    free: Vec<Waker>,
    hired: u32,
    closed: bool,
}

/// What became of a call that was handed over.
#[derive(Debug, PartialEq, Eq)]
enum Handed {
    /// A free worker takes it.
    Taken,
    /// A worker of this number is to be hired for it.
    Hire(u32),
    /// Nobody can take it.
    Full,
}

impl Desk {
    fn hand(&self, due: Due, limit: u32) -> Handed {
        let mut inner = self.0.borrow_mut();
        if let Some(free) = inner.free.pop() {
            inner.due.push_back(due);
            free.wake();
            return Handed::Taken;
        }
        if inner.hired >= limit {
            return Handed::Full;
        }
        inner.due.push_back(due);
        inner.hired += 1;
        Handed::Hire(inner.hired - 1)
    }

    /// The next call for a worker; none: there will be no more.
    fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Due>> {
        let mut inner = self.0.borrow_mut();
        match inner.due.pop_front() {
            Some(due) => Poll::Ready(Some(due)),
            None if inner.closed => Poll::Ready(None),
            None => {
                inner.free.push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn close(&self) {
        let mut inner = self.0.borrow_mut();
        inner.closed = true;
        inner.free.drain(..).for_each(Waker::wake);
    }
}
