//! Workers that tests start and stop, and one that can be killed.

use std::{sync::Arc, time::Duration};

use inrush_fulfilment::{Backoff, Counts, FulfilmentError, FulfilmentSettings, Parts, Statistics, run};
use inrush_runtime::shutdown::Shutdown;
use inrush_telemetry::{Metrics, Traces};
use tokio::{runtime::Runtime, task::JoinHandle};

use crate::{order_system::OrderSystem, store::TestStore};

/// Settings for tests: short delays, so that tests are quick, and all permits from the start, so that an
/// order system may hold as many entries as a test needs.
pub(crate) fn settings(orders: &OrderSystem) -> FulfilmentSettings {
    let backoff = Backoff { initial: Duration::from_millis(5), max: Duration::from_millis(50), jitter: 0.5 };
    FulfilmentSettings {
        orders: vec![orders.url()],
        retry: backoff,
        reconnect: backoff,
        min_concurrency: FulfilmentSettings::default().max_concurrency,
        recover_interval: Duration::from_millis(100),
        ..FulfilmentSettings::default()
    }
}

fn parts(settings: FulfilmentSettings, store: &TestStore, statistics: &Statistics) -> Parts {
    let (store, statistics) = (Arc::new(store.clone()), statistics.clone());
    Parts { settings, store, statistics, metrics: Metrics::default(), traces: None }
}

/// A worker in the runtime of the test.
pub(crate) struct Worker {
    pub(crate) shutdown: Shutdown,
    statistics: Statistics,
    running: JoinHandle<Result<(), FulfilmentError>>,
}

impl Worker {
    pub(crate) fn start(settings: FulfilmentSettings, store: &TestStore) -> Self {
        Self::begin(settings, store, None)
    }

    /// One that makes spans.
    pub(crate) fn traced(settings: FulfilmentSettings, store: &TestStore, traces: Traces) -> Self {
        Self::begin(settings, store, Some(traces))
    }

    fn begin(settings: FulfilmentSettings, store: &TestStore, traces: Option<Traces>) -> Self {
        let (shutdown, statistics) = (Shutdown::new(), Statistics::default());
        let parts = Parts { traces, ..parts(settings, store, &statistics) };
        let running = tokio::spawn(run(parts, shutdown.clone()));
        Self { shutdown, statistics, running }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.statistics.counts()
    }

    /// Drains it and returns its last counts.
    pub(crate) async fn stop(mut self) -> Counts {
        self.shutdown.start("end of the test");
        self.end().await.unwrap();
        self.statistics.counts()
    }

    /// Drops its future.
    pub(crate) async fn drop_it(&mut self) {
        self.running.abort();
        assert!((&mut self.running).await.unwrap_err().is_cancelled());
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> Result<(), FulfilmentError> {
        (&mut self.running).await.unwrap()
    }
}

/// A worker in a runtime of its own, which can be killed.
pub(crate) struct MortalWorker {
    runtime: Runtime,
    statistics: Statistics,
}

impl MortalWorker {
    pub(crate) fn start(settings: FulfilmentSettings, store: &TestStore) -> Self {
        let runtime = Runtime::new().unwrap();
        let statistics = Statistics::default();
        let parts = parts(settings, store, &statistics);
        runtime.spawn(run(parts, Shutdown::new()));
        Self { runtime, statistics }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.statistics.counts()
    }

    /// Kills it: nothing is requeued or settled.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
    }
}
