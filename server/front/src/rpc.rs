//! gRPC itself: the thin codec of hot calls, responses, and the way of a call to its service.

mod normalize_status;
pub(crate) mod response;
pub(crate) mod router;
mod single_message;
mod unary;
