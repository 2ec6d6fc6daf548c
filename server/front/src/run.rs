//! Running a front node: on as many cores as there are listeners, or on the runtime at hand.

use std::{net::TcpListener, sync::Arc};

use inrush_core::{Keyring, Store};
use inrush_runtime::{
    per_core::PerCore,
    readiness::{Readiness, ReadinessCheck},
    shutdown::Shutdown,
};
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

/// The name of this check in the readiness of the process.
const READINESS_CHECK: &str = "store";

/// What a front node is made of.
pub struct FrontParts {
    /// The settings.
    pub settings: FrontSettings,
    /// The store of sales and queues.
    pub store: Arc<dyn Store>,
    /// Signs and verifies tickets; the same on every node.
    pub keyring: Keyring,
    /// The readiness of the process, which this node's store is a part of.
    pub readiness: Readiness,
    /// Where its metrics are registered.
    pub metrics: Metrics,
    /// Exports spans; `None` disables tracing.
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

/// Serves on the runtime at hand until `shutdown` starts, and drains. The listener has the address.
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

/// Checks settings, certificates and store before the first call. A store that does not answer yet is no error.
async fn prepare(parts: FrontParts) -> Result<(Node, ReadinessCheck), FrontError> {
    let FrontParts { settings, store, keyring, readiness, metrics, traces } = parts;
    settings.validate()?;
    let tls = settings.tls.load("front.tls")?;
    let readiness = readiness.require(READINESS_CHECK, "not checked yet");
    match health::check(&*store).await {
        Ok(()) => {}
        Err(error) if error.may_pass() => readiness.missing(&error.to_string()),
        Err(error) => return Err(FrontError::Store(error)),
    }
    let gates = Gates::new(Arc::clone(&store), settings.gate_lifetime);
    let health = Health::new().await;
    let metrics = NodeMetrics::register(&metrics);
    Ok((Node { settings, store, keyring, tls, gates, health, metrics, traces }, readiness))
}

/// Runs what the cores share in the background while they serve.
async fn with_background<T>(node: Node, readiness: &ReadinessCheck, served: impl Future<Output = T>) -> T {
    let certificate = async {
        if let Some(tls) = &node.tls {
            tls.watch_files().await;
        }
    };
    let background = async {
        tokio::join!(node.health.monitor(&*node.store, readiness), node.gates.maintain(), certificate);
    };
    let outcome = tokio::select! {
        outcome = served => outcome,
        () = background => std::future::pending().await,
    };
    let (cancelled, shed) = (node.metrics.cancelled(), node.metrics.shed());
    tracing::info!(cancelled, shed, "front stopped");
    outcome
}
