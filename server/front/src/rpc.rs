//! gRPC itself: the thin codec of hot calls, responses, and the routing of calls to services.

mod normalize_status;
pub(crate) mod router;
mod single_message;
pub(crate) mod unary;
