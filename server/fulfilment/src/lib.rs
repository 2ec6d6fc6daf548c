//! Fulfilment: claims entries in line order, streams them to the order system, and settles the results.
//!
//! The way of an entry: the `scheduler` gives its sale a turn, decided by the `sale_queue`; the `claimer` takes it under a
//! lease and into the `window`, the bounded number of places for entries on their way; a `dispatcher` has it sent on
//! an `order_stream` and turns the result into an `answer`; the `settler` records that in the store. Beside them
//! the `lease_keeper` extends the leases of entries that take long, the `recoverer` takes back leases that ended, of
//! any worker, and the `sweeper` looks at every sale now and then in case an announcement was lost.
//!
//! What is bounded: unanswered entries by the limit that `concurrency` finds for the order system, by the operator's
//! ceiling and by the credit of the order system; unsettled outcomes by the ceiling again; calls of the store by one for each sale and kind. What is absent: a task or a timer for each
//! entry, and polling.

use std::sync::Arc;

use inrush_core::Store;
use inrush_runtime::{
    shutdown::Shutdown,
    telemetry::{Metrics, Traces},
};

mod concurrency;
mod error;
mod log_throttle;
mod metrics;
mod schedule;
mod settings;
mod settle;
mod statistics;
mod stream;
mod worker;

pub use error::FulfilmentError;
pub use metrics::families;
pub use settings::{Backoff, FulfilmentSettings, InvalidSetting};
pub use statistics::{Counts, Statistics};

use self::{metrics::WorkerMetrics, worker::Worker};

/// What a worker is made of.
pub struct Parts {
    /// How it works.
    pub settings: FulfilmentSettings,
    /// Where the sales are. Claiming and settling get connections of their own from it.
    pub store: Arc<dyn Store>,
    /// Counts what it does; keep a clone to read them.
    pub statistics: Statistics,
    /// Where its metrics are registered.
    pub metrics: Metrics,
    /// Makes its spans. None: nobody wants to see them.
    pub traces: Option<Traces>,
}

/// Runs a worker until shutdown starts, then drains it: nothing new is claimed, what is unanswered may finish within
/// `drain_grace` and is handed back otherwise, and all outcomes are recorded. Any number of workers can share a store.
///
/// It waits for a store that is away, also at the start. Dropping the future drains in the background without grace.
///
/// # Errors
/// A setting that breaks its rule, a store that cannot be used, a part of the worker that failed (which also starts the
/// shutdown), or outcomes that could not be recorded at the end because the store was away.
pub async fn run(
    Parts { settings, store, statistics, metrics, traces }: Parts,
    shutdown: Shutdown,
) -> Result<(), FulfilmentError> {
    settings.validate()?;
    let metrics = WorkerMetrics::register(&metrics, &statistics);
    let Some(worker) = Worker::start(settings, store, statistics, metrics, traces, &shutdown).await? else {
        return Ok(());
    };
    shutdown.started().await;
    worker.drain().await
}
