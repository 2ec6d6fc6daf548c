//! The error of making a client.

use std::{io, path::PathBuf};

/// Why a [`Client`](crate::Client) could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The settings have no endpoint.
    #[error("no endpoint; expected at least one, such as http://127.0.0.1:50051")]
    NoEndpoint,
    /// An endpoint is not a valid URL for this client.
    #[error("invalid endpoint {url:?}: {problem}; expected http://host:port or https://host:port")]
    Endpoint {
        /// The URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting is out of range.
    #[error("invalid client setting {name}: it must be {rule}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// The range.
        rule: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {what} from {}: {source}", path.display())]
    File {
        /// What the file should contain.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The TLS settings are invalid.
    #[error("invalid TLS settings: {0}")]
    Tls(String),
    /// The bearer token is invalid. The message never contains the token.
    #[error("invalid bearer token from {from}: {problem}")]
    Token {
        /// The file or environment variable.
        from: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No endpoint could be reached.
    #[error("cannot reach Inrush: {problems}")]
    Unreachable {
        /// Each endpoint with its error.
        problems: String,
    },
}
