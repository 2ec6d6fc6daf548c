//! Tests of the load tool against real servers.

#![cfg(test)]

mod engine;
mod runs;
mod server;
mod truth;
