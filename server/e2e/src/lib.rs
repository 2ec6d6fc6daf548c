//! Real servers and processes for tests: each on free ports of 127.0.0.1 and in folders of its own, gone with the test.
//!
//! The whole-system tests are in `tests/`; other crates' tests use the servers as well.

#![expect(clippy::expect_used, clippy::panic, reason = "a test whose server does not start has failed")]

pub mod http;
pub mod inrush;
pub mod port;
pub mod postgres;
pub mod program;
pub mod redis_server;
