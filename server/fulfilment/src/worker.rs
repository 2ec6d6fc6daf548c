//! A worker: its parts put together, and taken apart in the right order.

use std::{convert::Infallible, sync::Arc, time::Duration};

use inrush_core::{Store, StoreError};
use inrush_runtime::{shutdown::Shutdown, tasks::TaskGroup, telemetry::Traces};
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
    log_throttle::Seldom,
    metrics::WorkerMetrics,
    schedule::claimer::Claimer,
    schedule::recoverer::Recoverer,
    schedule::sale_queue::Agenda,
    schedule::scheduler::{Inputs, Scheduler, Stir},
    schedule::sweeper::Sweeper,
    settings::FulfilmentSettings,
    settle::answer::Answer,
    settle::requeuer::HandBack,
    settle::settler::Settler,
    statistics::Statistics,
    stream::dispatcher::Dispatcher,
    stream::in_flight_window::Window,
    stream::lease_keeper::LeaseKeeper,
    stream::order_lane::LaneId,
    stream::order_stream,
};

/// Messages with answers that wait for the settler. It takes them in at once, so a few are enough.
const ANSWERS_WAITING: usize = 64;

/// Sales with newly claimable tickets that wait for the scheduler, which takes them in at once.
const STIRS_WAITING: usize = 64;

/// Sales named by the sweep that wait for the scheduler.
const LOOKS_WAITING: usize = 16;

/// How long store calls in flight may take when the worker is ending.
const CALLS_GRACE: Duration = Duration::from_secs(5);

/// How long entries may take to be handed back, and streams to end.
const STREAMS_GRACE: Duration = Duration::from_secs(3);

/// How long the last outcomes may take to be recorded.
const OUTCOMES_GRACE: Duration = Duration::from_secs(5);

/// A running worker. Its tasks are in three groups, in the order in which they are shut down.
pub(crate) struct Worker {
    claiming: TaskGroup,
    streaming: TaskGroup,
    settling: TaskGroup,
    window: Arc<Window>,
    drain_grace: Duration,
    span: Span,
}

/// Handles on the store with connections of their own, so that a slow claim holds no outcome up.
struct Stores {
    claiming: Arc<dyn Store>,
    settling: Arc<dyn Store>,
    keeping: Arc<dyn Store>,
}

/// What several parts are made of.
struct Kit {
    settings: FulfilmentSettings,
    stores: Stores,
    window: Arc<Window>,
    statistics: Statistics,
    metrics: WorkerMetrics,
    traces: Option<Traces>,
    answers: mpsc::Sender<Vec<Answer>>,
    hand_back: HandBack,
}

impl Worker {
    /// Starts all parts; none if shutdown starts while the store is away.
    pub(crate) async fn start(
        settings: FulfilmentSettings,
        store: Arc<dyn Store>,
        statistics: Statistics,
        metrics: WorkerMetrics,
        traces: Option<Traces>,
        shutdown: &Shutdown,
    ) -> Result<Option<Self>, FulfilmentError> {
        let endpoints = settings.endpoints()?;
        // A name to tell replicas apart in the logs. What protects their claims from each other is the store's fence.
        let span = tracing::info_span!("worker", id = format!("{:08x}", rand::random::<u32>()));
        let stores = tokio::select! {
            stores = Stores::connect(store, &settings).instrument(span.clone()) => stores?,
            () = shutdown.started() => return Ok(None),
        };
        let lanes: Vec<&Endpoint> =
            endpoints.iter().flat_map(|endpoint| vec![endpoint; settings.streams]).collect();
        let limit = ConcurrencyLimit::between(settings.concurrency_floor, settings.concurrency);
        let window = Window::new(limit, lanes.len(), statistics.clone());
        let (answers, answers_in) = mpsc::channel(ANSWERS_WAITING);
        let (stirs, stirs_in) = mpsc::channel(STIRS_WAITING);
        let hand_back =
            HandBack { answers: answers.clone(), statistics: statistics.clone(), retry: settings.retry };

        let worker = Self {
            claiming: TaskGroup::new(shutdown),
            streaming: TaskGroup::new(shutdown),
            settling: TaskGroup::new(shutdown),
            window: Arc::clone(&window),
            drain_grace: settings.drain_grace,
            span,
        };
        let kit = Kit { settings, stores, window, statistics, metrics, traces, answers, hand_back };
        // Receivers before senders.
        worker.start_settling(&kit, answers_in, stirs);
        worker.start_streaming(&kit, &lanes);
        worker.start_claiming(&kit, stirs_in);
        tracing::info!(parent: &worker.span, orders = ?kit.settings.orders, "fulfilment has started");
        Ok(Some(worker))
    }

    fn start_settling(&self, kit: &Kit, answers: mpsc::Receiver<Vec<Answer>>, stirs: mpsc::Sender<Stir>) {
        let settler = Settler {
            store: Arc::clone(&kit.stores.settling),
            window: Arc::clone(&kit.window),
            stirs,
            statistics: kit.statistics.clone(),
            metrics: kit.metrics.clone(),
            traces: kit.traces.clone(),
            batch: kit.settings.settle_batch,
            backoff: kit.settings.reconnect,
            warnings: Seldom::default(),
        };
        self.spawn(&self.settling, "settler", |_| settler.run(answers));
    }

    fn start_streaming(&self, kit: &Kit, lanes: &[&Endpoint]) {
        let keeper = LeaseKeeper {
            store: Arc::clone(&kit.stores.keeping),
            window: Arc::clone(&kit.window),
            hand_back: kit.hand_back.clone(),
            statistics: kit.statistics.clone(),
            extend_at: kit.settings.extend_at,
            warnings: Seldom::default(),
        };
        self.spawn(&self.streaming, "lease keeper", |stop| keeper.run(stop));
        for (index, &endpoint) in lanes.iter().enumerate() {
            let dispatcher = Dispatcher {
                lane: LaneId(index),
                endpoint: order_stream::tuned(endpoint.clone()),
                window: Arc::clone(&kit.window),
                answers: kit.answers.clone(),
                hand_back: kit.hand_back.clone(),
                statistics: kit.statistics.clone(),
                metrics: kit.metrics.clone(),
                retry: kit.settings.retry,
                reconnect: kit.settings.reconnect,
            };
            self.spawn(&self.streaming, &format!("order stream {index}"), |stop| dispatcher.run(stop));
        }
    }

    fn start_claiming(&self, kit: &Kit, stirs: mpsc::Receiver<Stir>) {
        let (looks, looks_in) = mpsc::channel(LOOKS_WAITING);
        let missed = Arc::new(Notify::new());
        // Listening starts before the first sweep: what happens after the sweep has passed a sale is announced.
        let inputs = Inputs { events: kit.stores.claiming.events(), looks: looks_in, stirs };
        let sweeper = Sweeper {
            store: Arc::clone(&kit.stores.keeping),
            looks,
            missed: Arc::clone(&missed),
            rate: kit.settings.sweep_rate,
            full_rate: kit.settings.full_sweep_rate,
            backoff: kit.settings.reconnect,
        };
        self.spawn(&self.claiming, "sweeper", |stop| sweeper.run(stop));
        let claimer = Claimer {
            store: Arc::clone(&kit.stores.claiming),
            window: Arc::clone(&kit.window),
            hand_back: kit.hand_back.clone(),
            statistics: kit.statistics.clone(),
            metrics: kit.metrics.clone(),
            traces: kit.traces.clone(),
            extend_at: kit.settings.extend_at,
            answer_timeout: kit.settings.answer_timeout,
        };
        let recoverer = Recoverer {
            store: Arc::clone(&kit.stores.claiming),
            statistics: kit.statistics.clone(),
            metrics: kit.metrics.clone(),
        };
        let scheduler = Scheduler {
            agenda: Agenda::new(kit.settings.recover_interval),
            claimer,
            recoverer,
            window: Arc::clone(&kit.window),
            missed,
            claim_batch: kit.settings.claim_batch,
            backoff: kit.settings.reconnect,
            warnings: Seldom::default(),
            gathering_until: None,
        };
        self.spawn(&self.claiming, "scheduler", |stop| scheduler.run(inputs, stop));
    }

    /// Ends the worker: senders before receivers, so that everything claimed is answered or handed back, and every
    /// outcome recorded. Takes at most the grace times together.
    pub(crate) async fn drain(self) -> Result<(), FulfilmentError> {
        let span = self.span.clone();
        async move {
            // First nothing more is claimed; what calls in flight bring is sent like the rest.
            let mut failed = self.claiming.shut_down(CALLS_GRACE).await.failed;
            // Then the order system may answer what it has. Leases are kept meanwhile.
            if timeout(self.drain_grace, self.window.emptied()).await.is_err() {
                tracing::warn!(grace = ?self.drain_grace, "entries are handed back unanswered: the grace time is over");
            }
            // The streams hand back what is left as they end. With them go the last who send answers …
            failed.extend(self.streaming.shut_down(STREAMS_GRACE).await.failed);
            // … so that the settler ends when it has recorded all of them.
            failed.extend(self.settling.shut_down(OUTCOMES_GRACE).await.failed);
            if let Some(first) = failed.into_iter().next() {
                return Err(first.into());
            }
            match self.window.unsettled() {
                0 => {
                    tracing::info!("fulfilment has ended");
                    Ok(())
                }
                outcomes => Err(FulfilmentError::Unrecorded { outcomes }),
            }
        }
        .instrument(span)
        .await
    }

    /// Every part is essential: without it the others would wait for it in silence.
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
    /// Waits for a store that is away; one that cannot be used is an error.
    async fn connect(store: Arc<dyn Store>, settings: &FulfilmentSettings) -> Result<Self, StoreError> {
        let mut failures = 0_u32;
        let mut warnings = Seldom::default();
        loop {
            let connected = async {
                let (claiming, settling) =
                    (store.with_own_connection().await?, store.with_own_connection().await?);
                Ok(Self { claiming, settling, keeping: Arc::clone(&store) })
            };
            match connected.await {
                Err(error @ StoreError::Unavailable(_)) => {
                    failures = failures.saturating_add(1);
                    if warnings.is_time(tokio::time::Instant::now()) {
                        tracing::warn!("fulfilment waits for the store: {error}");
                    }
                    sleep(settings.reconnect.pause(failures)).await;
                }
                connected => return connected,
            }
        }
    }
}
