//! Why there is no client.

use std::{io, path::PathBuf};

/// Why a [`Client`](crate::Client) could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is nothing to connect to.
    #[error("no endpoint given: name at least one, such as http://127.0.0.1:50051")]
    NoEndpoint,
    /// An endpoint is not a URL that this client can use.
    #[error("endpoint {url:?}: {problem}; it must look like http://host:port or https://host:port")]
    Endpoint {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting is out of its range.
    #[error("client setting {name} must be {rule}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {what} from {}: {source}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The TLS settings do not fit together.
    #[error("TLS settings: {0}")]
    Tls(String),
    /// The bearer token cannot be used. The token itself is never part of the message.
    #[error("bearer token from {from}: {problem}")]
    Token {
        /// The file or environment variable.
        from: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No endpoint answers.
    #[error("cannot reach Inrush: {problems}")]
    Unreachable {
        /// Each endpoint and why.
        problems: String,
    },
}
