//! What can be read: whether the process lives, what it lacks, its metrics, its configuration.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::readiness::{Readiness, Report};
use crate::telemetry::Metrics;

/// The format of Prometheus, in the words by which it asks for it.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/livez` and `/readyz`.
pub(super) fn probes(readiness: Readiness) -> Router {
    Router::new().route("/livez", get(async || "alive\n")).route("/readyz", get(readyz).with_state(readiness))
}

/// `/metrics`.
pub(super) fn metrics(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(tell_metrics).with_state(metrics))
}

/// `/config`, a text that does not change while the process runs.
pub(super) fn configuration(text: String) -> Router {
    Router::new().route("/config", get(tell_configuration).with_state(Arc::<str>::from(text)))
}

async fn tell_configuration(State(text): State<Arc<str>>) -> String {
    text.to_string()
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Report>) {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn tell_metrics(State(metrics): State<Metrics>) -> axum::response::Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be told, a defect: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be told: the log has the reason\n")
                .into_response()
        }
    }
}
