//! Tests of the order system from outside: the order store on real databases, and the service over real
//! connections.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod client;
mod creations;
mod databases;
mod fake_front;
mod fronts;
mod order_list;
mod order_store;
mod releases;
mod streams;
