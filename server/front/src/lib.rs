//! The public edge of Inrush: stateless, any number of them, any of them answers anything.
//!
//! The way of an Enqueue, file by file: `serve.rs` accepts the connection, `call.rs` is the list of what every call
//! passes, `queue_service.rs` reads the request, `gate.rs` answers from memory if nobody can be taken in, `batcher.rs`
//! joins calls to one run of the store, `operations.rs` is that run. Everything that can go wrong is in
//! [`status`], with the status a caller gets for it.

mod batcher;
mod call;
mod code;
mod connection;
mod convert;
mod explain;
mod gate;
mod health;
mod method;
mod metrics;
mod operations;
mod queue_service;
mod router;
mod run;
mod sale_admin_service;
mod sending;
mod serve;
mod services;
mod settings;
mod settlement_service;
mod spans;
mod ticket_status;
mod update_mask;
mod watch;

pub mod status;

pub use health::SERVICES;
pub use metrics::FAMILIES;
pub use run::{FrontError, FrontParts, run, run_here};
pub use settings::{DrainSettings, FrontSettings, Http2Settings, InvalidSetting, WatchSettings};
