//! The front of Inrush: the public gRPC services. A node is stateless; any number of them serve the same sales.
//!
//! The path of an Enqueue: `server.rs` accepts the connection and `server/connection.rs` serves HTTP/2 on it, `stack.rs` lists
//! the layers that every call passes, `rpc/router.rs` routes the call and `rpc/unary.rs` reads its message,
//! `service/queue_service.rs` validates the request, `queue/gate.rs` refuses it from memory while the sale admits no buyers,
//! `queue/batcher.rs` joins calls to one batch, `queue/admit.rs` runs the batch. Every error is in [`call_error`], with the
//! status that a caller gets.

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
