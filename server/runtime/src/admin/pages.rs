//! `/livez`, `/readyz` and `/config`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;

use crate::readiness::{Readiness, Report};

/// `/livez` and `/readyz`.
pub(super) fn probes(readiness: Readiness) -> Router {
    Router::new().route("/livez", get(async || "alive\n")).route("/readyz", get(readyz).with_state(readiness))
}

/// `/config`: a fixed text.
pub(super) fn configuration(text: String) -> Router {
    Router::new().route("/config", get(show_configuration).with_state(Arc::<str>::from(text)))
}

async fn show_configuration(State(text): State<Arc<str>>) -> String {
    text.to_string()
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Report>) {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}
