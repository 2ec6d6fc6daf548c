//! The order system as a whole: opens, serves, drains.

use std::{collections::HashSet, future::Future, sync::atomic::AtomicU64, time::Duration};

use anyhow::Context as _;
use inrush_proto::v1::order_creation_service_server::{self, OrderCreationServiceServer};
use inrush_runtime::readiness::{Readiness, ReadinessCheck};
use inrush_telemetry::Traces;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinError, JoinHandle},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::{Server, server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

use crate::{
    batcher::{Batcher, FaultInjection},
    database_check,
    entry::Entry,
    front_client::FrontClient,
    intake_queue::IntakeQueue,
    order_store::{OrderStore, SaleStock},
    provision_stock::provision_stock,
    releaser::Releaser,
    settings::OrderSettings,
    spans::Spans,
    statistics::Statistics,
    stock_lookup::StockLookups,
    stream::OrderStreams,
};

/// The time for answering accepted entries at shutdown; the rest is answered with retry. Shorter than the
/// thirty seconds after which a container is killed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// The time for closing connections once all streams have ended. A client that watches the health service
/// never closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Streams per connection. Fulfilment needs one for each replica.
const MAX_STREAMS_PER_CONNECTION: u32 = 1_024;
/// Detects clients that have vanished, so that their streams end.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The services of an order system, which the health service reports by name.
pub const SERVICES: [&str; 1] = [order_creation_service_server::SERVICE_NAME];

/// A defect: the descriptors are made at compile time.
const DESCRIPTORS: &str = "invalid compiled descriptors";

/// Opens the order system and serves it on `listener` until `shutdown`.
///
/// # Errors
///
/// Invalid settings, a database that cannot be opened, or a server that fails.
pub async fn run(
    settings: OrderSettings,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    OrderSystem::open(settings).await?.serve(listener, shutdown).await
}

/// The order system, with an open database and provisioned stock.
pub struct OrderSystem {
    settings: OrderSettings,
    store: OrderStore,
    front: Option<FrontClient>,
    statistics: Statistics,
    traces: Option<Traces>,
    readiness: Option<ReadinessCheck>,
}

impl OrderSystem {
    /// Checks the settings, opens the database, migrates its schema and provisions `stock`.
    ///
    /// # Errors
    ///
    /// Invalid settings, or a database that cannot be opened.
    pub async fn open(settings: OrderSettings) -> anyhow::Result<Self> {
        settings.validate().context("invalid settings of the order system")?;
        let front = settings
            .front
            .as_ref()
            .map(|url| FrontClient::new(url, settings.front_token_file.as_deref()))
            .transpose()?;
        let store = OrderStore::open(&settings.database)
            .await
            .with_context(|| format!("opening the order database {} failed", settings.database))?;
        if settings.database.is_memory() {
            warn!("orders are stored in memory and lost when this process ends; set `database` to keep them");
        }
        for (sale_id, units) in &settings.stock {
            provision_stock(&store, &sale_id.as_str().into(), SaleStock::Units(*units)).await?;
        }
        Ok(Self { settings, store, front, statistics: Statistics::default(), traces: None, readiness: None })
    }

    /// Enables tracing.
    #[must_use]
    pub fn with_traces(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Makes the readiness of the process depend on the database while it serves.
    #[must_use]
    pub fn with_readiness(self, readiness: &Readiness) -> Self {
        Self { readiness: Some(readiness.require(database_check::NAME, "not checked yet")), ..self }
    }

    /// The order store, for checks. Its connections are closed when serving ends, unless the database is in
    /// memory.
    pub fn order_store(&self) -> OrderStore {
        self.store.clone()
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics.clone()
    }

    /// Serves order creation, health and reflection until `shutdown`, then drains.
    ///
    /// # Errors
    ///
    /// A server or a task that fails.
    pub async fn serve(mut self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        // A child token: the shutdown after a failed task must not cancel the caller's token.
        let shutdown = shutdown.child_token();
        let force_drain = CancellationToken::new();
        let closed = CancellationToken::new();
        let (queue, entries) = mpsc::channel(self.settings.max_batch as usize);
        let batcher = self.batcher(entries, force_drain.clone(), closed.clone()).run();
        let batcher = spawn_essential(batcher, &shutdown);
        let releaser = spawn_essential(self.releaser().run(closed.clone()), &shutdown);
        let database_check = self.readiness.take().map(|check| {
            let checks = database_check::run(self.store.clone(), check, closed.clone());
            spawn_essential(checks, &shutdown)
        });
        let streams = self.streams(queue, shutdown.clone());
        let open_streams = streams.open.clone();

        let serving = serve_streams(streams, listener, shutdown.clone());
        let served = drain(serving, open_streams, &shutdown, &force_drain).await;

        // Senders end before receivers, and the database last, since all of them need it.
        shutdown.cancel();
        force_drain.cancel();
        closed.cancel();
        join("batcher", batcher).await?;
        join("releaser", releaser).await?;
        if let Some(database_check) = database_check {
            join("database check", database_check).await?;
        }
        if !self.settings.database.is_memory() {
            self.store.close().await;
        }
        info!(counts = ?self.statistics.counts(), "order system stopped");
        served
    }

    fn batcher(
        &self,
        entries: mpsc::Receiver<Entry>,
        force_drain: CancellationToken,
        closed: CancellationToken,
    ) -> Batcher {
        let settings = &self.settings;
        Batcher {
            intake: IntakeQueue::new(
                entries,
                settings.capacity,
                settings.max_batch,
                force_drain.clone(),
                closed,
            ),
            store: self.store.clone(),
            stock_lookups: self.front.clone().map(StockLookups::new),
            faults: FaultInjection {
                latency: settings.latency,
                failure_rate: settings.failure_rate,
                unpaid_share: settings.unpaid_share,
                payment_timeout: settings.payment_timeout,
            },
            statistics: self.statistics.clone(),
            spans: Spans { traces: self.traces.clone(), database: settings.database.kind() },
            force_drain,
            stock: settings.stock.clone(),
            provisioned: HashSet::new(),
            reported: HashSet::new(),
            lookup_warned: None,
        }
    }

    fn releaser(&self) -> Releaser {
        Releaser {
            store: self.store.clone(),
            front: self.front.clone(),
            statistics: self.statistics.clone(),
            payment_timeout: self.settings.payment_timeout,
        }
    }

    fn streams(&self, queue: mpsc::Sender<Entry>, shutdown: CancellationToken) -> OrderStreams {
        OrderStreams {
            credit: self.settings.credit,
            queue,
            statistics: self.statistics.clone(),
            store: self.store.clone(),
            open: TaskTracker::new(),
            shutdown,
            streams: AtomicU64::new(0),
        }
    }
}

/// Lists the services served here; the descriptors contain those of the front as well, which are not.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .with_service_name(order_creation_service_server::SERVICE_NAME)
        .with_service_name(tonic_health::pb::health_server::SERVICE_NAME)
        .with_service_name(tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME)
        .register_encoded_file_descriptor_set(inrush_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

async fn serve_streams(
    streams: OrderStreams,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let newer = reflection().build_v1().context(DESCRIPTORS)?;
    let older = reflection().build_v1alpha().context(DESCRIPTORS)?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<OrderCreationServiceServer<OrderStreams>>().await;
    info!(address = %listener.local_addr()?, "order system serving");
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(health_service)
        .add_service(newer)
        .add_service(older)
        .add_service(OrderCreationServiceServer::new(streams))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            set_not_serving(health, shutdown),
        )
        .await
        .context("server of the order system failed")
}

/// Waits for the shutdown, then reports NOT_SERVING.
async fn set_not_serving(health: HealthReporter, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    info!("order system draining");
    health.set_not_serving::<OrderCreationServiceServer<OrderStreams>>().await;
    health.set_service_status("", ServingStatus::NotServing).await;
}

/// Serves until the shutdown, then until every stream has its answers, by force after [`DRAIN_TIMEOUT`].
async fn drain(
    serving: impl Future<Output = anyhow::Result<()>>,
    open_streams: TaskTracker,
    shutdown: &CancellationToken,
    force_drain: &CancellationToken,
) -> anyhow::Result<()> {
    let mut serving = Box::pin(serving);
    let streams_ended = async {
        shutdown.cancelled().await;
        open_streams.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, open_streams.wait()).await.is_err() {
            warn!(timeout = ?DRAIN_TIMEOUT, "drain timed out; remaining entries are answered with retry");
            force_drain.cancel();
        }
    };
    tokio::select! {
        served = &mut serving => return served,
        () = streams_ended => {}
    }
    match tokio::time::timeout(CLOSE_TIMEOUT, serving).await {
        Ok(served) => served,
        Err(_) => {
            warn!(timeout = ?CLOSE_TIMEOUT, "closing connections timed out; aborting them");
            Ok(())
        }
    }
}

/// Starts a task that the order system cannot serve without: when it ends, the order system shuts down.
fn spawn_essential(
    task: impl Future<Output = ()> + Send + 'static,
    shutdown: &CancellationToken,
) -> JoinHandle<()> {
    let ends_with_it = shutdown.clone().drop_guard();
    tokio::spawn(async move {
        let _ends_with_it = ends_with_it;
        task.await;
    })
}

async fn join(name: &str, task: JoinHandle<()>) -> anyhow::Result<()> {
    task.await.map_err(|error: JoinError| anyhow::anyhow!("{name} of the order system failed: {error}"))
}
