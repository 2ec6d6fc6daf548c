//! Routes of the admin server that belong to telemetry: `/metrics` and `/log-level`.

use axum::Router;
use inrush_runtime::secret::Secret;

mod log_level;
mod metrics;

use crate::{LogLevel, Metrics};

/// `/metrics`, and `/log-level`, which is public to read and needs this token to change. Without a token it cannot be changed.
pub fn pages(metrics: Metrics, level: LogLevel, token: Option<Secret>) -> Router {
    metrics::page(metrics).merge(log_level::page(level, token))
}

#[cfg(test)]
mod tests;
