//! The request of a call.

use bytes::Bytes;
use http::HeaderMap;

use crate::error::Error;

/// The metadata and messages of one call.
pub struct Request {
    /// Metadata of the caller's own; the transport adds what gRPC needs.
    pub metadata: HeaderMap,
    /// The messages.
    pub body: Body,
}

/// Encoded messages, each with its length prefix.
pub enum Body {
    /// A single one.
    One(Bytes),
    /// Several, each made when it is sent.
    Many(Box<dyn Iterator<Item = Result<Bytes, Error>>>),
}
