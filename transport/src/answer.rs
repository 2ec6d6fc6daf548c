//! The answer of a call.

use bytes::Bytes;

use crate::code::Code;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub code: Code,
    /// The status message, or the error of the transport; empty for OK.
    pub error: String,
    /// Bytes of messages sent, with their length prefixes.
    pub bytes_sent: u64,
    /// Bytes of messages received, with their length prefixes.
    pub bytes_received: u64,
    /// The last message received, without its prefix. Only if the caller keeps messages.
    pub message: Bytes,
}

impl Answer {
    /// A call that ended with an error.
    pub fn failed(code: Code, error: impl Into<String>) -> Self {
        Self { code, error: error.into(), bytes_sent: 0, bytes_received: 0, message: Bytes::new() }
    }

    /// An OK answer without content.
    pub fn ok() -> Self {
        Self { code: Code::Ok, error: String::new(), bytes_sent: 0, bytes_received: 0, message: Bytes::new() }
    }
}
