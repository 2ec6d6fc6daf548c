//! One core: its own store connections, batchers, services and server, from the first connection to the last.

use std::{sync::Arc, time::Duration};

use inrush_core::{Keyring, Store, StoreError};
use inrush_runtime::{telemetry::Traces, tls::ServerTls};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    call::Calls, metrics::NodeMetrics, queue::gate::Gates, run::FrontError, service::health::Health,
    services::Services, settings::FrontSettings, spans::Spans,
};

mod connection;

use self::connection::Connections;

/// How long a core waits before it asks an absent store again, and before it accepts again when it could not.
const PAUSE: Duration = Duration::from_millis(100);

/// What the cores of a node share.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) settings: FrontSettings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keyring: Keyring,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) health: Health,
    pub(crate) metrics: NodeMetrics,
    pub(crate) traces: Option<Traces>,
}

/// Serves until `stop` is cancelled, and drains: NOT_SERVING at once, answering for the grace time, then GOAWAY to
/// every connection and a bounded time for calls and streams to end.
pub(crate) async fn serve(
    node: Node,
    listener: std::net::TcpListener,
    stop: CancellationToken,
) -> Result<(), FrontError> {
    let Some(store) = connect(&*node.store, &stop).await? else { return Ok(()) };
    let leaving = CancellationToken::new();
    let metrics = node.metrics.core();
    let services = Services::new(&node, store, &metrics, leaving.clone())?;
    let connections = Connections {
        limits: Arc::new(node.settings.http2.clone()),
        tls: node.tls.clone(),
        counts: Arc::clone(&metrics.counts),
        calls: Arc::new(Calls::new(services, &node.settings, metrics, Spans::new(node.traces.clone()))),
        leaving: leaving.clone(),
    };
    let listener = TcpListener::from_std(listener).map_err(FrontError::Listener)?;
    let open = TaskTracker::new();
    tokio::select! {
        () = drain(&node, &stop, &leaving) => {}
        () = accept(&listener, &connections, &open) => {}
    }
    // From here on nobody listens: who connects now is told so at once.
    drop(listener);
    open.close();
    if timeout(node.settings.drain.finish, open.wait()).await.is_err() {
        tracing::warn!("some calls or streams did not end in time and are cut off");
    }
    Ok(())
}

/// Serves every connection in a task of its own. Runs until it is dropped.
async fn accept(listener: &TcpListener, connections: &Connections, open: &TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, _address)) => {
                open.spawn(connections.clone().serve(stream));
            }
            // Out of file descriptors, most likely: trying again at once would only burn the core.
            Err(error) => {
                tracing::debug!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Connections of this core's own. None: the process ended before the store was there.
async fn connect(store: &dyn Store, stop: &CancellationToken) -> Result<Option<Arc<dyn Store>>, FrontError> {
    loop {
        match store.with_own_connection().await {
            Ok(store) => return Ok(Some(store)),
            Err(StoreError::Unavailable(reason)) => tracing::debug!("waiting for the store: {reason}"),
            Err(error) => return Err(FrontError::Store(error)),
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Ends when connections are to be told to go.
async fn drain(node: &Node, stop: &CancellationToken, leaving: &CancellationToken) {
    stop.cancelled().await;
    node.health.drain().await;
    sleep(node.settings.drain.grace).await;
    node.health.end_watches().await;
    leaving.cancel();
}
