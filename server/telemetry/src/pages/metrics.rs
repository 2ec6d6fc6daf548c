//! `/metrics`: all metrics in the text format of Prometheus.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::Metrics;

/// The content type of the format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`.
pub(super) fn page(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(show).with_state(metrics))
}

async fn show(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded, a defect");
            (StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be encoded: see the log\n").into_response()
        }
    }
}
