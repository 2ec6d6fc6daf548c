//! What every Inrush process has, whatever it serves: configuration, telemetry, signals, supervised tasks, listeners, TLS,
//! the admin HTTP server and exit codes. This crate knows neither the queue nor the services built on it.
//!
//! In the order in which a process meets them: [`config`] and [`secret`] give it its settings, [`telemetry`] its voice,
//! [`shutdown`] its end, [`listen`] and [`tls`] its doors, [`per_core`] and [`tasks`] its work, [`admin`] its face to
//! operators, and [`exit`] the code with which it leaves.

pub mod config;
pub mod connection_url;
pub mod secret;

pub mod telemetry;

pub mod batch_trace;
pub mod spans;
pub mod trace_context;

pub mod shutdown;

pub mod listen;
pub mod tls;

pub mod per_core;
pub mod tasks;

pub mod admin;
pub mod readiness;

pub mod exit;

mod failure;
