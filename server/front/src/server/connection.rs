//! One connection, from its handshake to its last call.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    server::{Builder, Connection},
};
use inrush_runtime::tls::ServerTls;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    call::Calls,
    metrics::{CoreCounts, GaugeKind},
    settings::Http2Settings,
};

/// How long a client may take from connecting to its first word; an honest one needs a few round trips.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes that a client may send before they are read: on a connection, and for one call.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const CALL_WINDOW: u32 = 1024 * 1024;

/// What connections of a core have in common.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) limits: Arc<Http2Settings>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) counts: Arc<CoreCounts>,
    /// Cancelled when clients are to be told to go.
    pub(crate) leaving: CancellationToken,
}

impl Connections {
    /// Serves one, until its client or this node leaves and its calls have ended. What fails here is the client's to notice.
    pub(crate) async fn serve(self, stream: TcpStream) {
        let _counted = self.counts.count(GaugeKind::Connections);
        let served = match &self.tls {
            None => self.speak(stream).await,
            Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => Box::pin(self.speak(stream)).await,
                Ok(Err(error)) => return tracing::debug!("a TLS handshake failed: {error}"),
                Err(_elapsed) => return tracing::debug!("a TLS handshake took too long"),
            },
        };
        if let Err(error) = served {
            tracing::debug!("a connection failed: {error}");
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<(), h2::Error> {
        let Ok(shaken) = timeout(HANDSHAKE, builder(&self.limits).handshake(stream)).await else {
            tracing::debug!("a client connected and said nothing");
            return Ok(());
        };
        let mut connection: Connection<S, Bytes> = shaken?;
        let silence = silence(connection.ping_pong(), &self.limits);
        let time_to_go = self.time_to_go();
        tokio::pin!(silence, time_to_go);
        let mut told_to_go = false;
        loop {
            tokio::select! {
                biased;
                accepted = connection.accept() => {
                    let Some(call) = accepted else { return Ok(()) };
                    let (request, respond) = call?;
                    Calls::begin(&self.calls, request, respond);
                }
                () = &mut time_to_go, if !told_to_go => {
                    told_to_go = true;
                    connection.graceful_shutdown();
                }
                () = &mut silence => return Ok(()),
            }
        }
    }

    /// Ends when the client is to connect anew, here or elsewhere.
    async fn time_to_go(&self) {
        tokio::select! {
            () = self.leaving.cancelled() => {}
            () = sleep(self.limits.max_connection_age) => {}
        }
    }
}

/// Ends when the client does not answer any more.
async fn silence(pings: Option<PingPong>, limits: &Http2Settings) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        sleep(limits.keepalive_interval).await;
        match timeout(limits.keepalive_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_pong)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

fn builder(limits: &Http2Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_window_size(CALL_WINDOW)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_header_list_size)
        // Against rapid resets: a client that opens calls only to cancel them is cut off.
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .max_local_error_reset_streams(Some(limits.max_error_resets));
    builder
}
