//! Real servers and processes for tests: each on free ports of 127.0.0.1 and in a folder of its own, and removed when
//! its value is dropped.
//!
//! This crate depends on no other crate of Inrush, so that tests of any of them can use it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test whose server does not start has failed")]

pub mod http;
pub mod inrush;
pub mod port;
pub mod postgres;
pub mod process;
pub mod redis_server;
pub mod retry;
pub mod tools;
