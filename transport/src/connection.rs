//! One HTTP/2 connection.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{Ping, client, client::SendRequest};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::spawn_local,
    time::{sleep, timeout},
};

use crate::error::Error;
use crate::{
    endpoint::{Balancing, Endpoint},
    tls::TlsConnector,
};

/// Flow-control window of a stream.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Flow-control window of a connection: large, since messages are counted and dropped immediately.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// Streams that may be closed by this side while the server still sends on them. A run with many timeouts needs room.
const RESET_STREAMS: usize = 100_000;

/// Bytes that may wait to be written to one connection.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// The name cannot be resolved.
    #[error("the name {host:?} cannot be resolved: {error}")]
    Name {
        /// The name.
        host: String,
        /// The error of the resolver.
        error: String,
    },
    /// The connection was refused or timed out.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        error: String,
    },
    /// The TLS handshake failed.
    #[error("TLS with {address} failed: {error}")]
    Tls {
        /// The address.
        address: SocketAddr,
        /// The error of rustls.
        error: String,
    },
    /// The server does not speak HTTP/2.
    #[error("{address} does not answer in HTTP/2: {error}")]
    Http2 {
        /// The address.
        address: SocketAddr,
        /// The error of the handshake.
        error: String,
    },
    /// The connection was not ready in time.
    #[error("no connection to {address} within {limit:?}")]
    Slow {
        /// The address.
        address: String,
        /// The limit.
        limit: Duration,
    },
}

impl ConnectFailure {
    /// What to do about it.
    pub fn to_error(&self) -> Error {
        let remedy = match self {
            Self::Name { .. } => "check the spelling of the host",
            Self::Connect { .. } => "is the server running, and is this its address?",
            Self::Tls { .. } => {
                "name the authority of its certificate with --cacert and its name with --cname, take any certificate \
                 with --skipTLS, or use --insecure for a server in plain text"
            }
            Self::Http2 { .. } => "is this a gRPC server? For one with TLS, leave --insecure out",
            Self::Slow { .. } => "is the address right? A longer --connect-timeout waits longer",
        };
        Error::new(self, remedy)
    }
}

/// An open connection. Its driver is a task of the current thread, and ends with it.
pub struct Connection {
    /// Opens streams.
    pub sender: SendRequest<Bytes>,
}

impl Connection {
    /// Connects. Must be called within a `LocalSet`. `number` chooses among the addresses of a name.
    ///
    /// # Errors
    /// When there is no connection in time.
    pub async fn open(
        endpoint: &Endpoint,
        tls: Option<&TlsConnector>,
        number: usize,
    ) -> Result<Self, ConnectFailure> {
        let limit = endpoint.connect_timeout;
        match timeout(limit, connect(endpoint, tls, number)).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectFailure::Slow { address: endpoint.address(), limit }),
        }
    }
}

async fn connect(
    endpoint: &Endpoint,
    tls: Option<&TlsConnector>,
    number: usize,
) -> Result<Connection, ConnectFailure> {
    let (stream, address) = dial(endpoint, number).await?;
    match tls {
        None => handshake(stream, address, endpoint).await,
        Some(tls) => {
            let stream = tls.connector.connect(tls.server_name.clone(), stream).await;
            let stream = stream.map_err(|error| ConnectFailure::Tls { address, error: error.to_string() })?;
            handshake(stream, address, endpoint).await
        }
    }
}

/// Tries the addresses one after the other, starting with number `number`, modulo their count.
async fn dial(endpoint: &Endpoint, number: usize) -> Result<(TcpStream, SocketAddr), ConnectFailure> {
    let name = |error: String| ConnectFailure::Name { host: endpoint.host.clone(), error };
    let found = lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let mut addresses: Vec<SocketAddr> = found.map_err(|error| name(error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(name("it has no address".to_owned()));
    }
    if endpoint.balancing == Balancing::RoundRobin {
        let turn = number % addresses.len();
        addresses.rotate_left(turn);
    }
    let mut failure = None;
    for address in addresses {
        match reach(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => failure = Some(ConnectFailure::Connect { address, error: error.to_string() }),
        }
    }
    Err(failure.unwrap_or_else(|| name("it has no address".to_owned())))
}

async fn reach(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn handshake<S>(
    stream: S,
    address: SocketAddr,
    endpoint: &Endpoint,
) -> Result<Connection, ConnectFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let failed = |error: h2::Error| ConnectFailure::Http2 { address, error: error.to_string() };
    let handshake = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .handshake(stream);
    let (sender, mut driver) = handshake.await.map_err(failed)?;
    let mut pings = driver.ping_pong();
    let keepalive = endpoint.keepalive;
    // Calls get the error of a closed connection from their own streams.
    let driver = spawn_local(driver);
    // A server that does not speak HTTP/2 is detected by its first frame, which a ping provokes.
    if let Some(pings) = &mut pings
        && let Err(error) = pings.ping(Ping::opaque()).await
    {
        let reason = match driver.await {
            Ok(Err(cause)) => cause.to_string(),
            _ => error.to_string(),
        };
        return Err(ConnectFailure::Http2 { address, error: reason });
    }
    if let (Some(mut pings), Some(every)) = (pings, keepalive) {
        spawn_local(async move {
            loop {
                sleep(every).await;
                if pings.ping(Ping::opaque()).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(Connection { sender })
}
