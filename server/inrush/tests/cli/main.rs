//! The real binary from the outside: what it prints, and the code it leaves with.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "these threads only wait for other processes")]

mod configuration;
mod demo;
mod help;
mod processes;
mod redis;
mod sales;
mod support;
