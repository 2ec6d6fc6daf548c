//! Fulfilment: claims entries in queue order, streams them to the order system, and settles the results.
//!
//! The path of an entry:
//!
//! - `schedule`: the `scheduler` gives its sale a turn, in the order of the `sale_queue`; the `claimer`
//!   claims it under a lease.
//! - `stream`: the entry takes a permit of the `in_flight_window`; an `order_stream` sends it and receives the
//!   result.
//! - `settle`: the result becomes an `answer`, which the `settler` records in the store. The `requeuer` puts
//!   entries back whose stream broke.
//!
//! Besides, the `lease_keeper` extends the leases of entries in flight, the `recoverer` reclaims expired
//! leases of any worker, and the `sweeper` probes every sale from time to time in case an announcement was
//! lost.
//!
//! After a rise of a sale's epoch `reconcile` settles tickets whose order the store has forgotten.
//!
//! Bounds: entries in flight by the limit that `concurrency` finds, by the operator's maximum and by the
//! credit of the order system; unsettled outcomes by the maximum again; store calls by one for each sale and
//! kind. There is no task and no timer for each entry, and no polling.

use std::sync::Arc;

use inrush_core::Store;
use inrush_runtime::shutdown::Shutdown;
use inrush_telemetry::{Metrics, Traces};

mod concurrency;
mod error;
mod log_throttle;
mod metrics;
mod reconcile;
mod schedule;
mod settings;
mod settle;
mod statistics;
mod stream;
mod worker;

pub use error::FulfilmentError;
pub use metrics::metric_defs;
pub use reconcile::order_list::{ListError, OrderList, OrderPages};
pub use settings::{Backoff, FulfilmentSettings, InvalidSetting};
pub use statistics::{Counts, Statistics};

use self::{metrics::WorkerMetrics, worker::Worker};

/// What a worker is built from.
pub struct Parts {
    /// Its settings.
    pub settings: FulfilmentSettings,
    /// The store. Claiming and settling get connections of their own.
    pub store: Arc<dyn Store>,
    /// The counters. Keep a clone to read them.
    pub statistics: Statistics,
    /// The registry of its metrics.
    pub metrics: Metrics,
    /// Makes its spans. `None` disables tracing.
    pub traces: Option<Traces>,
}

/// Runs a worker until shutdown starts, then drains it: claims stop, unanswered entries may finish within
/// `drain_timeout` and are requeued otherwise, and all outcomes are recorded. Any number of workers can share a
/// store.
///
/// Waits while the store is unavailable, also at the start. Dropping the future drains in the background
/// without grace.
///
/// # Errors
/// An invalid setting, a store that cannot be used, a failed part of the worker (which also starts the
/// shutdown), or outcomes that could not be recorded before the end because the store was unavailable.
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
