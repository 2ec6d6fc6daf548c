//! One connection to the admin server, in whichever protocol its client speaks.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a client may take to send a request's head, and to stay silent between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest request head, in bytes.
pub(super) const LONGEST_HEAD: u32 = 16 * 1024;

/// How HTTP/2 begins. No method of HTTP does.
const HTTP2_START: [u8; 3] = *b"PRI";

/// The pause before looking again at a client of whom fewer bytes than that have come.
const PEEK_AGAIN: Duration = Duration::from_millis(10);

/// Calls that one HTTP/2 connection may have open at once: a prober needs one.
const MOST_STREAMS: u32 = 16;

/// How long an HTTP/2 connection may be used, since it is not closed for being silent.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection until its end. One on which nothing was said ends at once when the server stops.
pub(super) async fn serve(stream: TcpStream, routes: Router, graceful: Watcher, stop: CancellationToken) {
    let start = tokio::select! {
        start = timeout(HEAD_TIMEOUT, first_bytes(&stream)) => start,
        () = stop.cancelled() => return,
    };
    let Ok(Some(start)) = start else { return };
    let (stream, service) = (TokioIo::new(stream), TowerToHyperService::new(routes));
    let served = if start == HTTP2_START {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(LONGEST_HEAD)
            .serve_connection(stream, service);
        timeout(LONGEST_CONNECTION, graceful.watch(connection)).await.unwrap_or(Ok(()))
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(LONGEST_HEAD as usize)
            .serve_connection(stream, service);
        graceful.watch(connection).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection broke");
    }
}

/// Looks at how a client begins, and leaves it to be read. None: it has gone.
async fn first_bytes(stream: &TcpStream) -> Option<[u8; HTTP2_START.len()]> {
    let mut start = [0; HTTP2_START.len()];
    loop {
        match stream.peek(&mut start).await {
            Ok(0) | Err(_) => return None,
            Ok(length) if length == start.len() => return Some(start),
            Ok(_) => sleep(PEEK_AGAIN).await,
        }
    }
}
