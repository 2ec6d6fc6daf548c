//! One connection to the admin server: HTTP/1 or HTTP/2, as the client chooses.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a client may take to send its first byte, or the head of a request, or stay idle between two on HTTP/1.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest request head, in bytes.
pub(super) const MAX_HEADER_SIZE: u32 = 16 * 1024;

/// Open calls on one HTTP/2 connection: a prober needs one.
const MAX_CONCURRENT_STREAMS: u32 = 16;

/// How long a connection may be used: an idle HTTP/2 connection is not closed otherwise.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(600);

/// How often an HTTP/2 client is pinged.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may take to answer a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection until it is closed, or until the server stops and its requests in progress are answered. A
/// client that sends nothing is disconnected after [`HEADER_TIMEOUT`], and immediately when the server stops.
pub(super) async fn serve(stream: TcpStream, routes: Router, graceful: Watcher, stop: CancellationToken) {
    let has_sent = tokio::select! {
        readable = timeout(HEADER_TIMEOUT, stream.readable()) => matches!(readable, Ok(Ok(()))),
        () = stop.cancelled() => false,
    };
    if !has_sent {
        return;
    }
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    if let Ok(Err(error)) = timeout(MAX_CONNECTION_AGE, graceful.watch(connection)).await {
        tracing::debug!(%error, "admin connection failed");
    }
}

/// Both protocols, with their limits.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_SIZE as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_SIZE);
    builder
}
