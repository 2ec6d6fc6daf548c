//! Fulfilment against the memory store and a scripted order system, over real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod failures;
mod flow;
mod idle;
mod leases;
mod order_system;
mod outcomes;
mod reconcile;
mod shutdown;
mod store;
mod traces;
mod worker;
