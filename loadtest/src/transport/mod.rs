//! gRPC over `h2`, with messages that are ready bytes: no codec, no task per call, nothing that a load does not need.

mod answer;
mod call;
mod connection;
mod endpoint;
mod frames;
mod link;
mod tls;

pub use answer::Answer;
pub use call::{Caller, Head, StreamTimes};
pub use connection::{ConnectFailure, Connection};
pub use endpoint::{Balancing, CallKind, Endpoint, TlsOptions};
pub use link::Link;
pub use tls::TlsConnector;
