//! Running a front node: on as many cores as there are listeners, or on the runtime at hand.

use std::{net::TcpListener, sync::Arc};

use inrush_core::{Keyring, Store, StoreError};
use inrush_runtime::{
    per_core::PerCore,
    readiness::{Readiness, ReadinessCheck},
    shutdown::Shutdown,
};
use inrush_telemetry::{Metrics, Traces};
use inrush_telemetry::{Metrics, Traces};

use crate::{
    error::FrontError,
    metrics::NodeMetrics,
    node::Node,
    queue::gate::Gates,
    server::serve,
    service::health::{self, Health},
    settings::FrontSettings,
};

/// The thing that a front node adds to the process's readiness.
const NEEDS: &str = "store";

/// What a front node is made of.
pub struct FrontParts {
    /// What the operator decided.
    pub settings: FrontSettings,
    /// Where sales and lines are kept.
    pub store: Arc<dyn Store>,
    /// What signs and proves tickets; the same on every node.
    pub keyring: Keyring,
    /// Learns whether the store is there.
    pub readiness: Readiness,
    /// Where its metrics are registered.
    pub metrics: Metrics,
    /// Makes its spans. None: nobody wants to see them.
    pub traces: Option<Traces>,
}

/// Serves on one thread for each listener until `shutdown` starts, and drains. [`FrontSettings::bind`] makes the listeners.
///
/// # Errors
/// If the settings or the store cannot be used, or a core fails; the others then drain.
pub async fn run(
    parts: FrontParts,
    listeners: Vec<TcpListener>,
    shutdown: &Shutdown,
) -> Result<(), FrontError> {
    let (node, readiness) = prepare(parts).await?;
    let core = node.clone();
    let cores =
        PerCore::start("front", listeners, shutdown, move |each| serve(core.clone(), each.input, each.stop))?;
    Ok(with_background(node, &readiness, cores.join()).await?)
}

/// Serves on the runtime at hand until `shutdown` starts, and drains. The listener tells the address.
///
/// # Errors
/// As [`run`].
pub async fn run_here(
    parts: FrontParts,
    listener: TcpListener,
    shutdown: &Shutdown,
) -> Result<(), FrontError> {
    let (node, readiness) = prepare(parts).await?;
    let served = serve(node.clone(), listener, shutdown.token());
    with_background(node, &readiness, served).await
}

/// Checks everything that can be wrong before the first call comes. A store that does not answer yet is not wrong.
async fn prepare(parts: FrontParts) -> Result<(Node, ReadinessCheck), FrontError> {
    let FrontParts { settings, store, keyring, readiness, metrics, traces } = parts;
    settings.validate()?;
    let tls = settings.tls.load("front.tls")?;
    let readiness = readiness.require(NEEDS, "not asked yet");
    match health::check(&*store).await {
        Ok(()) => {}
        Err(error @ StoreError::Unavailable(_)) => readiness.missing(&error.to_string()),
        Err(error) => return Err(FrontError::Store(error)),
    }
    let gates = Gates::new(Arc::clone(&store), settings.gate_lifetime);
    let health = Health::new().await;
    let metrics = NodeMetrics::register(&metrics);
    Ok((Node { settings, store, keyring, tls, gates, health, metrics, traces }, readiness))
}

/// Does what the cores share, for as long as they serve.
async fn with_background<T>(node: Node, readiness: &ReadinessCheck, served: impl Future<Output = T>) -> T {
    let certificate = async {
        if let Some(tls) = &node.tls {
            tls.watch_files().await;
        }
    };
    let aside = async {
        tokio::join!(node.health.follow(&*node.store, readiness), node.gates.maintain(), certificate);
    };
    let outcome = tokio::select! {
        outcome = served => outcome,
        () = aside => std::future::pending().await,
    };
    let (cancelled, shed) = (node.metrics.cancelled(), node.metrics.shed());
    tracing::info!(cancelled, shed, "the front has stopped");
    outcome
}
