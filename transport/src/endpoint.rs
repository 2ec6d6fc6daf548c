//! The server, and how to connect to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Unary or streaming, for each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallKind {
    /// One request, one response.
    Unary,
    /// Many requests, one response.
    ClientStreaming,
    /// One request, many responses.
    ServerStreaming,
    /// Many of both.
    Bidirectional,
}

/// A server, and how to connect to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its host: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The `:authority` of every call, where it is not `host:port`.
    pub authority: Option<String>,
    /// None: in plain text.
    pub tls: Option<TlsOptions>,
    /// How long connecting may take, TLS and HTTP/2 included.
    pub connect_timeout: Duration,
    /// How often to ping a connection that is idle; none: never.
    pub keepalive: Option<Duration>,
    /// Longest message taken in, in bytes.
    pub max_receive: usize,
    /// How connections are spread over the addresses of a name.
    pub balancing: Balancing,
}

impl Endpoint {
    /// A server in plain text, with ghz's default settings.
    pub fn plain(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            authority: None,
            tls: None,
            connect_timeout: Duration::from_secs(10),
            keepalive: None,
            max_receive: 4 * 1024 * 1024,
            balancing: Balancing::First,
        }
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The `:authority` of every call.
    pub fn authority(&self) -> String {
        self.authority.clone().unwrap_or_else(|| self.address())
    }
}

/// How connections are spread over the addresses of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balancing {
    /// All connect to the first address that answers.
    First,
    /// Each connects to the next address.
    RoundRobin,
}

/// Trusted authorities and the client's identity, as the content of files, since they are also sent to other machines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TlsOptions {
    /// Trusted authorities, in PEM; none: those of the system.
    pub authorities: Option<String>,
    /// The client's certificate chain and private key, in PEM.
    pub identity: Option<(String, String)>,
    /// The name that the server's certificate must carry, where it is not the host.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub skip_verification: bool,
}
