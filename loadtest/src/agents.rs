//! Runs on several machines: a [coordinator](coordinate) starts [agents](serve) together, merges their results exactly,
//! and warns about an agent that fell behind.

mod agent;
mod coordinator;
mod progress;
mod token;
mod v1;
mod warnings;
mod wire;

pub use agent::{AgentSettings, serve};
pub use coordinator::{Fleet, FleetResults, coordinate};
pub use token::Token;
