//! Fulfilment against the memory store and an order system of its own, over real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod failures;
mod flow;
mod idle;
mod leases;
mod order_system;
mod outcomes;
mod shutdown;
mod store;
mod traces;
mod worker;
