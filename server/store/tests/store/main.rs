//! Holds every store to the port: one conformance suite, the real scripts against the memory store operation by
//! operation, and scripts broken on purpose to prove that both would notice.
#![cfg(test)]

use inrush_testkit::redis_server;

mod admission;
mod backend;
mod conformance;
mod durability;
mod side_by_side;
