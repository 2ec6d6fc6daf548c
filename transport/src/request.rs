//! What a call sends.

use bytes::Bytes;
use http::HeaderMap;

use crate::error::Error;

/// What one call sends.
pub struct Request {
    /// Metadata of the caller's own; the transport adds what gRPC needs.
    pub metadata: HeaderMap,
    /// The messages.
    pub body: Body,
}

/// Messages, each with its length prefix: ready to be sent.
pub enum Body {
    /// A single one.
    One(Bytes),
    /// One after the other, made when it is time to send it.
    Many(Box<dyn Iterator<Item = Result<Bytes, Error>>>),
}
