//! The client against a scripted Inrush.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails should fail its test")]

mod admin;
mod calls;
mod connections;
mod fake;
mod follow;
mod metadata;
mod retries;
mod sizes;
mod tls;
mod watch;
