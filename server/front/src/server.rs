//! One core: its own store connections, batchers, services and server, from the first connection to the last.

use std::{sync::Arc, time::Duration};

use http::Response;
use http_body::Body;
use inrush_core::Store;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{error::FrontError, node::Node, spans::Spans, stack::stack};

mod connection;
mod services;

use self::connection::{Connections, Stack};

/// How long a core waits before it retries an unavailable store, and before it retries a failed accept.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled, and drains: NOT_SERVING first, serving through the grace period, then GOAWAY to
/// every connection and a bounded time for calls and streams to end.
pub(crate) async fn serve(
    node: Node,
    listener: std::net::TcpListener,
    stop: CancellationToken,
) -> Result<(), FrontError> {
    let Some(store) = connect(&*node.store, &stop).await? else { return Ok(()) };
    let draining = CancellationToken::new();
    let metrics = node.metrics.core();
    let router = services::router(&node, store, &metrics, draining.clone())?;
    let spans = Spans::new(node.traces.clone());
    let counts = Arc::clone(&metrics.counts);
    let connections = Connections {
        limits: Arc::new(node.settings.http2.clone()),
        tls: node.tls.clone(),
        counts,
        stack: stack(&node.settings, metrics, spans, router),
        draining: draining.clone(),
    };
    let listener = TcpListener::from_std(listener).map_err(FrontError::Listener)?;
    let open = TaskTracker::new();
    tokio::select! {
        () = drain(&node, &stop, &draining) => {}
        () = accept(&listener, &connections, &open) => {}
    }
    // The listener is closed: new connections are refused.
    drop(listener);
    open.close();
    if timeout(node.settings.drain.timeout, open.wait()).await.is_err() {
        tracing::warn!("drain timed out; open calls and streams are cut off");
    }
    Ok(())
}

/// Serves every connection in a task of its own. Runs until it is dropped.
async fn accept<S, R>(listener: &TcpListener, connections: &Connections<S>, open: &TaskTracker)
where
    S: Stack<Response = Response<R>>,
    R: Body<Data = bytes::Bytes, Error = tonic::Status> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _address)) => {
                open.spawn(connections.clone().serve(stream));
            }
            // Out of file descriptors, most likely: retrying immediately would only use up the core.
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

/// Connections of this core's own. `None`: the process ended before the store answered.
async fn connect(store: &dyn Store, stop: &CancellationToken) -> Result<Option<Arc<dyn Store>>, FrontError> {
    loop {
        match store.with_own_connection().await {
            Ok(store) => return Ok(Some(store)),
            Err(error) if error.may_pass() => tracing::debug!(%error, "waiting for the store"),
            Err(error) => return Err(FrontError::Store(error)),
        }
        tokio::select! {
            () = sleep(RETRY_INTERVAL) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Ends when connections are to get their GOAWAY.
async fn drain(node: &Node, stop: &CancellationToken, draining: &CancellationToken) {
    stop.cancelled().await;
    node.health.drain().await;
    sleep(node.settings.drain.grace).await;
    node.health.end_watches().await;
    draining.cancel();
}
