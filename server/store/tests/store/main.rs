//! Tests every store against the ports: one conformance suite, the real scripts against the memory store operation by
//! operation, and scripts broken on purpose to prove that both detect mistakes.
#![cfg(test)]

use inrush_testkit::redis_server;

mod admission;
mod backend;
mod conformance;
mod durability;
mod side_by_side;
