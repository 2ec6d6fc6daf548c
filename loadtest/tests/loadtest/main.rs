//! Tests of the load tool against real servers.

mod engine;
mod runs;
mod server;
mod truth;
