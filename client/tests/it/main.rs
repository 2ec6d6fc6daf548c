//! The client against an Inrush whose answers are scripted.

#[path = "../fake/mod.rs"]
mod fake;

mod admin;
mod calls;
mod connections;
mod follow;
mod metadata;
mod retries;
mod sizes;
mod tls;
mod watch;
