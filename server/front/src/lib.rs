//! The public edge of Inrush: stateless, any number of them, any of them answers anything.
//!
//! The way of an Enqueue, file by file: `server.rs` accepts the connection, `call.rs` is the list of what every call
//! passes, `service/queue_service.rs` reads the request, `queue/gate.rs` answers from memory if nobody can be taken in, `queue/batcher.rs`
//! joins calls to one run of the store, `queue/operations.rs` is that run. Everything that can go wrong is in
//! [`call_error`], with the status a caller gets for it.

mod call;
mod error;
mod gate_decision;
mod layer;
mod metrics;
mod node;
mod queue;
mod rpc;
mod run;
mod server;
mod service;
mod settings;
mod spans;
mod stack;

pub mod call_error;

pub use error::FrontError;
pub use metrics::METRICS;
pub use run::{FrontParts, run, run_here};
pub use service::health::SERVICES;
pub use settings::{DrainSettings, FrontSettings, Http2Settings, InvalidSetting, WatchSettings};
