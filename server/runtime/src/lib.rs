//! What every Inrush process needs: configuration, signals, supervised tasks, listeners, TLS, the admin HTTP server and exit
//! codes. It depends neither on the queue nor on the services. Telemetry is `inrush-telemetry`, which uses this crate.
//!
//! - Settings: [`config`], [`secret`], [`connection_url`], [`nearest`].
//! - Signals and shutdown: [`shutdown`], [`exit`].
//! - Sockets: [`listen`], [`tls`].
//! - Threads and tasks: [`per_core`], [`tasks`], [`backoff`], [`token_bucket`].
//! - Operators: [`admin`], [`readiness`].

pub mod config;
pub mod connection_url;
pub mod nearest;
pub mod secret;

pub mod shutdown;

pub mod listen;
pub mod tls;

pub mod backoff;
pub mod per_core;
pub mod tasks;
pub mod token_bucket;

pub mod admin;
pub mod readiness;

pub mod exit;

mod failure;
