//! gRPC over `h2`, with messages that are encoded bytes: no codec, no task per call, nothing that a load does not need.

mod answer;
mod call;
mod code;
mod connection;
mod deadlines;
mod endpoint;
mod error;
mod frames;
mod head;
mod link;
mod request;
mod status;
mod subscription;
mod tls;

pub use answer::Answer;
pub use call::{Caller, StreamTimes};
pub use code::Code;
pub use connection::{ConnectFailure, Connection};
pub use endpoint::{Balancing, CallKind, Endpoint, TlsOptions};
pub use error::Error;
pub use head::Head;
pub use link::Link;
pub use request::{Body, Request};
pub use subscription::Subscription;
pub use tls::TlsConnector;
