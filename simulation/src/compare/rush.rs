//! The rush: buyers arrive at planned times, independent of those before them.

use std::{num::NonZeroUsize, rc::Rc, thread, time::Instant};

use inrush_transport::{Endpoint, Error};
use tokio::{
    runtime,
    task::{LocalSet, spawn_local},
    time::sleep_until,
};

use super::{
    buyer::Visit,
    outcome::RushResult,
    rush_context::{RushContext, Way},
    settings::Settings,
};
use crate::{
    arrivals::Arrivals,
    buyer::Buyer,
    rpc::Calls,
    threads::{Start, Threads},
};

/// Connections of all threads together, as a few instances of a shop have.
const CONNECTIONS: usize = 32;

/// A rush whose threads are connected and wait for the opening.
pub(super) struct Rush {
    threads: Threads<RushResult>,
}

impl Rush {
    /// Connects to a server, which is the order system or a front.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn gather(settings: &Settings, way: &Way, endpoint: &Endpoint) -> Result<Self, Error> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = Buyer::try_from(threads).unwrap_or(1).clamp(1, settings.buyers().max(1));
        let works = (0..count).map(|thread| {
            let (settings, way, endpoint) = (settings.clone(), way.clone(), endpoint.clone());
            move |start| run_buyers(settings, way, &endpoint, (thread, count), start)
        });
        Ok(Self { threads: Threads::gather("buyers", works.collect())? })
    }

    /// Sends the time of the opening to all threads, and returns it.
    pub(super) fn open(&self) -> Instant {
        self.threads.open()
    }

    /// Whether the last buyer has left.
    pub(super) fn is_over(&self) -> bool {
        self.threads.are_over()
    }

    /// Waits until the last buyer has left.
    ///
    /// # Errors
    /// When a thread failed.
    pub(super) fn join(self) -> Result<RushResult, Error> {
        let all = self.threads.join()?.into_iter().reduce(|mut all, other| {
            all.outcomes.extend(other.outcomes);
            all.calls.merge(other.calls);
            all
        });
        all.ok_or_else(|| Error::new("there were no buyers", "give a larger --rush"))
    }
}

/// The buyers of one thread: of N threads, each has every N-th buyer.
fn run_buyers(
    settings: Settings,
    way: Way,
    endpoint: &Endpoint,
    (thread, threads): (Buyer, Buyer),
    start: Start,
) -> Result<RushResult, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(format!("a thread cannot be set up: {error}"), "close other programs, and try again")
    })?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let connections = CONNECTIONS.div_ceil(usize::try_from(threads).unwrap_or(1));
        let calls = Calls::open(endpoint, connections, settings.timeout).await;
        let (calls, opening) = start.wait(calls)?;
        let arrivals = settings.arrivals();
        let context = RushContext::new(settings, way, calls, opening);
        receive(&context, &arrivals, (thread, threads)).await;
        Ok(context.leave())
    })
}

/// Starts every buyer at its time, and waits until the last one has left.
async fn receive(context: &Rc<RushContext>, arrivals: &Arrivals, (thread, threads): (Buyer, Buyer)) {
    let mut visits = Vec::new();
    let buyers = (thread..context.settings.buyers()).step_by(usize::try_from(threads).unwrap_or(1));
    for buyer in buyers {
        let planned = arrivals.of(buyer);
        if planned > context.now() {
            sleep_until(context.opening + planned).await;
        }
        let visit = Visit { context: Rc::clone(context), buyer, planned };
        visits.push(spawn_local(async move {
            let outcome = visit.go().await;
            visit.context.outcomes.borrow_mut().push(outcome);
        }));
    }
    for visit in visits {
        // If its task failed its outcome is missing, and the number of buyers shows it.
        let _ = visit.await;
    }
}
