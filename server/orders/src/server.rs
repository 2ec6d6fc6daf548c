//! The order system as a whole: opened, served, drained.

use std::{collections::HashSet, future::Future, sync::atomic::AtomicU64, time::Duration};

use anyhow::Context as _;
use inrush_proto::v1::order_creation_service_server::{self, OrderCreationServiceServer};
use inrush_runtime::telemetry::Traces;
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

/// How long a shutdown may take to finish what was accepted; what is left then is answered with retry. Shorter than
/// the thirty seconds after which a container is killed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long connections have to close once every stream has ended. Whoever watches this server's health never does.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Streams per connection. Fulfilment needs one per replica and sale it works on.
const MAX_STREAMS_PER_CONNECTION: u32 = 1_024;
/// Notices clients that have vanished, so that their streams end.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The services of an order system, whose health can be asked for by name.
pub const SERVICES: [&str; 1] = [order_creation_service_server::SERVICE_NAME];

/// A defect: the descriptors are made when this is compiled.
const DESCRIPTORS: &str = "the compiled descriptors cannot be served";

/// Opens the order system and serves it on `listener` until `shutdown`.
///
/// # Errors
///
/// When the settings are wrong, the database cannot be opened, or serving fails.
pub async fn run(
    settings: OrderSettings,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    OrderSystem::open(settings).await?.serve(listener, shutdown).await
}

/// The order system: its database is open, its stock provisioned.
pub struct OrderSystem {
    settings: OrderSettings,
    store: OrderStore,
    front: Option<FrontClient>,
    statistics: Statistics,
    traces: Option<Traces>,
}

impl OrderSystem {
    /// Checks the settings, opens the database, brings its schema up to date and puts `stock` on sale.
    ///
    /// # Errors
    ///
    /// When the settings are wrong or the database cannot be opened.
    pub async fn open(settings: OrderSettings) -> anyhow::Result<Self> {
        settings.validate().context("the order system's settings are wrong")?;
        let front = settings
            .front
            .as_ref()
            .map(|url| FrontClient::new(url, settings.front_token_file.as_deref()))
            .transpose()?;
        let store = OrderStore::open(&settings.database)
            .await
            .with_context(|| format!("the order database {} cannot be opened", settings.database))?;
        if settings.database.is_memory() {
            warn!("orders are kept in memory and are gone when this process ends; set database to keep them");
        }
        for (sale_id, units) in &settings.stock {
            provision_stock(&store, sale_id, SaleStock::Units(*units)).await?;
        }
        Ok(Self { settings, store, front, statistics: Statistics::default(), traces: None })
    }

    /// Makes spans with these.
    #[must_use]
    pub fn with_traces(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// The orders and stock, for those who check them. Its connections are closed when serving ends, unless the
    /// database is in memory.
    pub fn order_store(&self) -> OrderStore {
        self.store.clone()
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics.clone()
    }

    /// Serves order creation, health and reflection until `shutdown`, then answers what it has accepted and ends.
    ///
    /// # Errors
    ///
    /// When serving fails or one of its tasks has died.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        // A shutdown of our own, when a task dies, is not the caller's.
        let shutdown = shutdown.child_token();
        let force_drain = CancellationToken::new();
        let closed = CancellationToken::new();
        let (queue, entries) = mpsc::channel(self.settings.batch as usize);
        let batcher = self.batcher(entries, force_drain.clone(), closed.clone()).run();
        let batcher = spawn_essential(batcher, &shutdown);
        let releaser = spawn_essential(self.releaser().run(closed.clone()), &shutdown);
        let streams = self.streams(queue, shutdown.clone());
        let open_streams = streams.open.clone();

        let serving = serve_streams(streams, listener, shutdown.clone());
        let served = drain(serving, open_streams, &shutdown, &force_drain).await;

        // Whoever sends goes before whoever receives, and the database, which all of them need, goes last.
        shutdown.cancel();
        force_drain.cancel();
        closed.cancel();
        join("batcher", batcher).await?;
        join("releaser", releaser).await?;
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
            intake: IntakeQueue::new(entries, settings.capacity, settings.batch, force_drain.clone(), closed),
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
            reported: HashSet::new(),
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
            open: TaskTracker::new(),
            shutdown,
            streams: AtomicU64::new(0),
        }
    }
}

/// Lists what is served here; the descriptors also know the front's services, which are not.
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
        .context("serving the order system failed")
}

/// Returns on shutdown, when no health check calls this replica fit any more.
async fn set_not_serving(health: HealthReporter, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    info!("order system draining");
    health.set_not_serving::<OrderCreationServiceServer<OrderStreams>>().await;
    health.set_service_status("", ServingStatus::NotServing).await;
}

/// Serves until the shutdown, then until every stream has had its answers. Streams that take too long are hurried.
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
            warn!(limit = ?DRAIN_TIMEOUT, "draining takes too long; what is left is answered with retry");
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
            warn!("clients have not closed their connections; leaving them");
            Ok(())
        }
    }
}

/// Starts a task without which there is no use in serving: however it ends, the order system shuts down.
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
    task.await.map_err(|error: JoinError| anyhow::anyhow!("the {name} of the order system died: {error}"))
}
