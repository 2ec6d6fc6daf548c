//! Holds every store to the port: one conformance suite, the real scripts against the memory store operation by
//! operation, and scripts broken on purpose to prove that both would notice.
#![cfg(test)]

#[expect(dead_code, unreachable_pub, reason = "other test binaries use it too, and other parts of it")]
#[path = "../support/redis_server.rs"]
mod redis_server;

mod backend;
mod conformance;
mod side_by_side;
