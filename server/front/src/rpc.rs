//! gRPC itself: methods and status codes.

pub(crate) mod code;
pub(crate) mod method;
