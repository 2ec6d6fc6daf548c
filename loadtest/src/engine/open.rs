//! An open loop: calls at planned times, however slow the answers are.
//!
//! A pacer waits for the planned times and dispatches each call to an idle worker; if there is none, it spawns one. So
//! the number of workers is the number of calls in flight, up to a limit beyond which due calls count as unsent.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use inrush_transport::Error;
use tokio::task::{JoinSet, yield_now};

use super::{calls::Calls, timer::PreciseTimer};
use crate::schedule::RateSchedule;

/// After this many overdue calls in a row, the pacer yields to the other tasks.
const MAX_BURST: u32 = 32;

/// Makes calls at their planned times until there are no more.
pub(super) async fn run(calls: &Rc<Calls>, tasks: &mut JoinSet<()>, rate: &RateSchedule, max_in_flight: u32) {
    let timer = match PreciseTimer::new() {
        Ok(timer) => timer,
        Err(error) => {
            let remedy = "raise the limit of open files of this process (`ulimit -n`)";
            return calls.shared.fail(Error::new(format!("cannot create a timer: {error}"), remedy));
        }
    };
    let limit = calls.shared.part(max_in_flight, calls.index).max(1);
    let dispatcher = Rc::new(Dispatcher::default());
    let mut times = rate.times();
    let mut burst = 0;
    while let Some(number) = calls.claim() {
        let Some(planned) = times.due(number).filter(|planned| calls.is_in_time(*planned)) else { break };
        if planned > calls.elapsed() {
            burst = 0;
            timer.sleep_until(calls.start + planned).await;
        } else {
            burst += 1;
            if burst >= MAX_BURST {
                burst = 0;
                yield_now().await;
            }
        }
        calls.count_due();
        if !calls.is_closing()
            && let Dispatch::Spawn(worker) = dispatcher.dispatch(DueCall { number, planned }, limit)
        {
            tasks.spawn_local(work(Rc::clone(calls), Rc::clone(&dispatcher), worker));
        }
    }
    calls.end_pacing();
    if !calls.is_closing() {
        dispatcher.close();
        while tasks.join_next().await.is_some() {}
    }
}

async fn work(calls: Rc<Calls>, dispatcher: Rc<Dispatcher>, worker: u32) {
    let Some(mut caller) = calls.caller(worker) else { return };
    while let Some(DueCall { number, planned }) = poll_fn(|context| dispatcher.poll_next(context)).await {
        if !calls.call(&mut caller, worker, number, Some(planned)).await {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct DueCall {
    number: u64,
    planned: Duration,
}

/// Passes due calls from the pacer to the workers.
#[derive(Default)]
struct Dispatcher(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    due: VecDeque<DueCall>,
    /// Workers without a call. The one that became idle last is woken first: its data is still in the caches.
    idle: Vec<Waker>,
    spawned: u32,
    closed: bool,
}

/// The outcome of a dispatch.
#[derive(Debug, PartialEq, Eq)]
enum Dispatch {
    /// An idle worker was woken.
    Assigned,
    /// The caller must spawn a worker with this number.
    Spawn(u32),
    /// All workers are busy, and their number has reached the limit.
    Full,
}

impl Dispatcher {
    fn dispatch(&self, call: DueCall, limit: u32) -> Dispatch {
        let mut inner = self.0.borrow_mut();
        if let Some(idle) = inner.idle.pop() {
            inner.due.push_back(call);
            idle.wake();
            return Dispatch::Assigned;
        }
        if inner.spawned >= limit {
            return Dispatch::Full;
        }
        inner.due.push_back(call);
        inner.spawned += 1;
        Dispatch::Spawn(inner.spawned - 1)
    }

    /// The next call for a worker. `None` once the dispatcher is closed.
    fn poll_next(&self, context: &Context<'_>) -> Poll<Option<DueCall>> {
        let mut inner = self.0.borrow_mut();
        match inner.due.pop_front() {
            Some(due) => Poll::Ready(Some(due)),
            None if inner.closed => Poll::Ready(None),
            None => {
                inner.idle.push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn close(&self) {
        let mut inner = self.0.borrow_mut();
        inner.closed = true;
        inner.idle.drain(..).for_each(Waker::wake);
    }
}
