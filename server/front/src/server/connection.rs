//! One connection, from its handshake to its last call.

use std::{
    cell::RefCell,
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2::Builder};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use inrush_runtime::tls::ServerTls;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::{io::InspectReader, sync::CancellationToken};
use tonic::Status;
use tower::Service;

use crate::{
    call::Call,
    metrics::{CoreCounts, GaugeKind},
    settings::Http2Settings,
};

/// The time for a TLS handshake, and then for the preface of HTTP/2. A client needs a few round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the preface that a client of HTTP/2 sends first.
const PREFACE: usize = 24;

/// Flow-control windows: bytes that a client may send before they are read, on a connection and for one call.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const CALL_WINDOW: u32 = 1024 * 1024;

/// The layers and services that answer calls.
pub(super) trait Stack:
    Service<Call<Incoming>, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static
{
}

impl<S> Stack for S where
    S: Service<Call<Incoming>, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static
{
}

/// What the connections of a core have in common.
#[derive(Clone)]
pub(super) struct Connections<S> {
    pub(super) limits: Arc<Http2Settings>,
    pub(super) tls: Option<ServerTls>,
    pub(super) stack: S,
    pub(super) counts: Arc<CoreCounts>,
    /// Cancelled when the node drains.
    pub(super) draining: CancellationToken,
}

impl<S, R> Connections<S>
where
    S: Stack<Response = Response<R>>,
    R: Body<Data = Bytes, Error = Status> + Send + 'static,
{
    /// Serves one connection until either side closes it and its calls have ended. Errors are logged: the client sees them too.
    pub(super) async fn serve(self, stream: TcpStream) {
        let _guard = self.counts.count(GaugeKind::Connections);
        let served = match self.tls.clone() {
            None => self.serve_http2(stream).await,
            Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => Box::pin(self.serve_http2(stream)).await,
                Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
                Err(_elapsed) => return tracing::debug!("TLS handshake timed out"),
            },
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection failed");
        }
    }

    async fn serve_http2(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> hyper::Result<()> {
        let received = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&received);
        let stream = InspectReader::new(stream, move |data: &[u8]| {
            counter.fetch_add(data.len(), Ordering::Relaxed);
        });
        let calls = HyperService(RefCell::new(self.stack));
        let mut connection = pin!(builder(&self.limits).serve_connection(TokioIo::new(stream), calls));
        let mut goaway = pin!(goaway(&self.draining, self.limits.max_connection_age));
        let mut handshake_timeout = pin!(sleep(HANDSHAKE_TIMEOUT));
        let (mut is_leaving, mut is_checked) = (false, false);
        loop {
            tokio::select! {
                biased;
                served = &mut connection => return served,
                () = &mut goaway, if !is_leaving => {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut handshake_timeout, if !is_checked => {
                    is_checked = true;
                    if received.load(Ordering::Relaxed) < PREFACE {
                        tracing::debug!("HTTP/2 handshake timed out");
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Passes the requests of a connection to the stack. Its layers are always ready, so a call needs neither `poll_ready` nor a
/// clone of the stack.
struct HyperService<S>(RefCell<S>);

impl<S, R> hyper::service::Service<Request<Incoming>> for HyperService<S>
where
    S: Stack<Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> S::Future {
        self.0.borrow_mut().call(Call::new(request))
    }
}

/// Ends when the connection is to get its GOAWAY.
async fn goaway(draining: &CancellationToken, max_connection_age: Duration) {
    tokio::select! {
        () = draining.cancelled() => {}
        () = sleep(max_connection_age) => {}
    }
}

fn builder(limits: &Http2Settings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(CALL_WINDOW)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_header_list_size)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        // Against rapid resets: a client that opens calls only to cancel them is cut off.
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .max_local_error_reset_streams(limits.max_error_resets)
        .auto_date_header(false);
    builder
}
