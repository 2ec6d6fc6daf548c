//! A worker: starts its parts, and shuts them down in order.

use std::{convert::Infallible, sync::Arc, time::Duration};

use inrush_core::{Store, StoreError};
use inrush_runtime::{shutdown::Shutdown, tasks::TaskGroup};
use inrush_telemetry::Traces;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tracing::{Instrument as _, Span};

use crate::{
    concurrency::ConcurrencyLimit,
    error::FulfilmentError,
    log_throttle::LogThrottle,
    metrics::WorkerMetrics,
    reconcile::order_list::OrderList,
    reconcile::reconciler::Reconciler,
    reconcile::rises::{MAX_QUEUED_RISES, Rises},
    schedule::claimer::Claimer,
    schedule::recoverer::Recoverer,
    schedule::sale_queue::SaleQueue,
    schedule::scheduler::{Inputs, Scheduler, WakeUp},
    schedule::sweeper::Sweeper,
    settings::FulfilmentSettings,
    settle::answer::Answer,
    settle::requeuer::Requeuer,
    settle::settler::Settler,
    statistics::Statistics,
    stream::in_flight_window::InFlightWindow,
    stream::lease_keeper::LeaseKeeper,
    stream::order_lane::LaneId,
    stream::order_stream::{self, OrderStream},
};

/// Messages with answers in the settler's channel. The settler takes them immediately, so a few are enough.
const MAX_QUEUED_ANSWERS: usize = 64;

/// Wake-ups in the scheduler's channel. The scheduler takes them immediately.
const MAX_QUEUED_WAKEUPS: usize = 64;

/// Probe requests of the sweep in the scheduler's channel.
const MAX_QUEUED_PROBES: usize = 16;

/// The time for store calls in flight at shutdown.
const CALLS_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for requeuing entries and ending streams.
const STREAMS_TIMEOUT: Duration = Duration::from_secs(3);

/// The time for recording the last outcomes.
const OUTCOMES_TIMEOUT: Duration = Duration::from_secs(5);

/// A running worker. Its tasks are in three groups, in the order of shutdown.
pub(crate) struct Worker {
    claiming: TaskGroup,
    streaming: TaskGroup,
    settling: TaskGroup,
    window: Arc<InFlightWindow>,
    drain_timeout: Duration,
    span: Span,
}

/// Store handles with connections of their own, so that a slow claim delays no outcome.
struct Stores {
    claiming: Arc<dyn Store>,
    settling: Arc<dyn Store>,
    maintenance: Arc<dyn Store>,
}

/// What several parts share.
struct SharedParts {
    settings: FulfilmentSettings,
    stores: Stores,
    orders: OrderList,
    window: Arc<InFlightWindow>,
    statistics: Statistics,
    metrics: WorkerMetrics,
    traces: Option<Traces>,
    answers: mpsc::Sender<Vec<Answer>>,
    requeuer: Requeuer,
}

impl Worker {
    /// Starts all parts; `None` if shutdown starts while the store is unavailable.
    pub(crate) async fn start(
        settings: FulfilmentSettings,
        store: Arc<dyn Store>,
        statistics: Statistics,
        metrics: WorkerMetrics,
        traces: Option<Traces>,
        shutdown: &Shutdown,
    ) -> Result<Option<Self>, FulfilmentError> {
        let endpoints = settings.endpoints()?;
        // Identifies the replica in the logs. Its claims are identified by the fence of the store, not by this id.
        let span = tracing::info_span!("worker", id = format!("{:08x}", rand::random::<u32>()));
        let stores = tokio::select! {
            stores = Stores::connect(store, &settings).instrument(span.clone()) => stores?,
            () = shutdown.started() => return Ok(None),
        };
        let lanes: Vec<&Endpoint> =
            endpoints.iter().flat_map(|endpoint| vec![endpoint; settings.streams]).collect();
        let limit = ConcurrencyLimit::between(settings.min_concurrency, settings.max_concurrency);
        let window = InFlightWindow::new(limit, lanes.len(), statistics.clone());
        let (answers, answers_in) = mpsc::channel(MAX_QUEUED_ANSWERS);
        let (wakeups, wakeups_in) = mpsc::channel(MAX_QUEUED_WAKEUPS);
        let requeuer =
            Requeuer { answers: answers.clone(), statistics: statistics.clone(), retry: settings.retry };

        let worker = Self {
            claiming: TaskGroup::new(shutdown),
            streaming: TaskGroup::new(shutdown),
            settling: TaskGroup::new(shutdown),
            window: Arc::clone(&window),
            drain_timeout: settings.drain_timeout,
            span,
        };
        let parts = SharedParts {
            settings,
            stores,
            orders: OrderList::new(&endpoints),
            window,
            statistics,
            metrics,
            traces,
            answers,
            requeuer,
        };
        // Receivers start before senders.
        worker.start_settling(&parts, answers_in, wakeups);
        worker.start_streaming(&parts, &lanes);
        worker.start_claiming(&parts, wakeups_in);
        tracing::info!(parent: &worker.span, orders = ?parts.settings.orders, "fulfilment started");
        Ok(Some(worker))
    }

    fn start_settling(
        &self,
        parts: &SharedParts,
        answers: mpsc::Receiver<Vec<Answer>>,
        wakeups: mpsc::Sender<WakeUp>,
    ) {
        let settler = Settler {
            store: Arc::clone(&parts.stores.settling),
            window: Arc::clone(&parts.window),
            wakeups,
            statistics: parts.statistics.clone(),
            metrics: parts.metrics.clone(),
            traces: parts.traces.clone(),
            batch: parts.settings.max_settle_batch,
            backoff: parts.settings.reconnect,
        };
        self.spawn(&self.settling, "settler", |_| settler.run(answers));
    }

    fn start_streaming(&self, parts: &SharedParts, lanes: &[&Endpoint]) {
        let keeper = LeaseKeeper {
            store: Arc::clone(&parts.stores.maintenance),
            window: Arc::clone(&parts.window),
            requeuer: parts.requeuer.clone(),
            statistics: parts.statistics.clone(),
            lease_extend_ratio: parts.settings.lease_extend_ratio,
        };
        self.spawn(&self.streaming, "lease keeper", |stop| keeper.run(stop));
        for (index, &endpoint) in lanes.iter().enumerate() {
            let stream = OrderStream {
                lane: LaneId(index),
                endpoint: order_stream::tuned(endpoint.clone()),
                window: Arc::clone(&parts.window),
                answers: parts.answers.clone(),
                requeuer: parts.requeuer.clone(),
                statistics: parts.statistics.clone(),
                metrics: parts.metrics.clone(),
                retry: parts.settings.retry,
                reconnect: parts.settings.reconnect,
                unknown_answers: Mutex::default(),
            };
            self.spawn(&self.streaming, &format!("order stream {index}"), |stop| stream.run(stop));
        }
    }

    fn start_claiming(&self, parts: &SharedParts, wakeups: mpsc::Receiver<WakeUp>) {
        let (queue, queued) = mpsc::channel(MAX_QUEUED_RISES);
        let rises = Rises::new(queue);
        let reconciler = Reconciler {
            store: Arc::clone(&parts.stores.maintenance),
            orders: parts.orders.clone(),
            backoff: parts.settings.reconnect,
            rises: rises.clone(),
        };
        self.spawn(&self.claiming, "reconciler", |stop| reconciler.run(queued, stop));
        let (probe_requests, probe_requests_in) = mpsc::channel(MAX_QUEUED_PROBES);
        let missed = Arc::new(Notify::new());
        // Subscribed before the first sweep: what happens after the sweep has passed a sale is announced.
        let inputs =
            Inputs { events: parts.stores.claiming.events(), probe_requests: probe_requests_in, wakeups };
        let sweeper = Sweeper {
            store: Arc::clone(&parts.stores.maintenance),
            probe_requests,
            missed: Arc::clone(&missed),
            rate: parts.settings.sweep_rate,
            full_rate: parts.settings.full_sweep_rate,
            backoff: parts.settings.reconnect,
        };
        self.spawn(&self.claiming, "sweeper", |stop| sweeper.run(stop));
        let claimer = Claimer {
            store: Arc::clone(&parts.stores.claiming),
            window: Arc::clone(&parts.window),
            requeuer: parts.requeuer.clone(),
            statistics: parts.statistics.clone(),
            metrics: parts.metrics.clone(),
            traces: parts.traces.clone(),
            lease_extend_ratio: parts.settings.lease_extend_ratio,
            response_timeout: parts.settings.response_timeout,
            rises: rises.clone(),
        };
        let recoverer = Recoverer {
            store: Arc::clone(&parts.stores.claiming),
            statistics: parts.statistics.clone(),
            metrics: parts.metrics.clone(),
            rises,
        };
        let scheduler = Scheduler {
            sale_queue: SaleQueue::new(parts.settings.recover_interval),
            claimer,
            recoverer,
            window: Arc::clone(&parts.window),
            missed,
            max_claim_batch: parts.settings.max_claim_batch,
            backoff: parts.settings.reconnect,
            linger_until: None,
        };
        self.spawn(&self.claiming, "scheduler", |stop| scheduler.run(inputs, stop));
    }

    /// Drains the worker: senders before receivers, so that everything claimed is answered or requeued and
    /// every outcome is recorded. Takes at most the sum of the timeouts.
    pub(crate) async fn drain(self) -> Result<(), FulfilmentError> {
        let span = self.span.clone();
        async move {
            // No new claims; what calls in flight return is sent like the rest.
            let mut failed = self.claiming.shut_down(CALLS_TIMEOUT).await.failed;
            // The order system may answer the entries that it has. Their leases are still extended.
            if timeout(self.drain_timeout, self.window.all_answered()).await.is_err() {
                tracing::warn!(drain_timeout = ?self.drain_timeout, "drain grace elapsed; requeuing unanswered entries");
            }
            // Streams requeue what is left as they end. With them end the last senders of answers …
            failed.extend(self.streaming.shut_down(STREAMS_TIMEOUT).await.failed);
            // … so the settler ends when it has recorded all of them.
            failed.extend(self.settling.shut_down(OUTCOMES_TIMEOUT).await.failed);
            if let Some(first) = failed.into_iter().next() {
                return Err(first.into());
            }
            match self.window.unsettled() {
                0 => {
                    tracing::info!("fulfilment stopped");
                    Ok(())
                }
                outcomes => Err(FulfilmentError::Unrecorded { outcomes }),
            }
        }
        .instrument(span)
        .await
    }

    /// Every part is essential: without it the others would wait forever.
    fn spawn<F>(
        &self,
        group: &TaskGroup,
        name: &str,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = self.span.clone();
        group.spawn_essential(name, move |stop| {
            let run = run(stop);
            async move {
                run.await;
                Ok::<(), Infallible>(())
            }
            .instrument(span)
        });
    }
}

impl Stores {
    /// Retries while the store is unavailable; a store that cannot be used is an error.
    async fn connect(store: Arc<dyn Store>, settings: &FulfilmentSettings) -> Result<Self, StoreError> {
        let mut failures = 0_u32;
        let mut log_throttle = LogThrottle::default();
        loop {
            let connected = async {
                let (claiming, settling) =
                    (store.with_own_connection().await?, store.with_own_connection().await?);
                Ok::<_, StoreError>(Self { claiming, settling, maintenance: Arc::clone(&store) })
            };
            match connected.await {
                Err(error) if error.may_pass() => {
                    failures = failures.saturating_add(1);
                    if log_throttle.allow(tokio::time::Instant::now()) {
                        tracing::warn!(%error, "store unavailable; retrying");
                    }
                    sleep(settings.reconnect.delay(failures)).await;
                }
                connected => return connected,
            }
        }
    }
}
