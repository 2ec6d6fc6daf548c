//! Runs on more than one machine: a [`coordinator`](coordinate) starts [`agent`](serve)s together, merges what they
//! measured exactly, and says when one fell behind.

mod agent;
mod coordinator;
mod progress;
mod remarks;
mod token;
mod wire;

pub use agent::{AgentSettings, serve};
pub use coordinator::{Fleet, FleetResults, coordinate};
pub use token::Token;

/// The messages between coordinator and agents.
#[allow(
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub(crate) mod v1 {
    include!("generated/inrush.loadtest.v1.rs");
}
