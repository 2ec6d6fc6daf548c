//! The HTTP interface.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{Html, Response},
    routing::{get, post},
};
use inrush_client::{Client, Ticket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    events,
    problem::Problem,
    shapes::{CancellationShape, EnqueueBody, EnqueuedShape, StatusShape},
    trace,
};

/// The maximum size of a request body. The payload has at most 4 KiB, which JSON may double.
const MAX_BODY_BYTES: usize = 10 * 1024;

/// The page for the phone: one file that loads nothing.
const PAGE: &str = include_str!("page.html");

/// The page may use its own style and script, and send requests to its own origin.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes. Event streams end when `stop` is cancelled.
pub(crate) fn router(client: Client, max_watches: u32, stop: CancellationToken) -> Router {
    let permits = usize::try_from(max_watches).unwrap_or(Semaphore::MAX_PERMITS);
    let watches = Arc::new(Semaphore::new(permits));
    Router::new()
        .route("/", get(page))
        .route("/sales/{sale}/buyers/{buyer}", post(enqueue))
        .route("/tickets/{ticket}", get(status).delete(cancel))
        .route("/tickets/{ticket}/events", get(events::watch))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", "no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "NO_SUCH_METHOD", "method not allowed for this path")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(security_headers))
        .layer(middleware::from_fn(trace::capture_trace))
        .with_state(Backend { client, watches, stop })
}

async fn page() -> ([(HeaderName, &'static str); 1], Html<&'static str>) {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(PAGE))
}

async fn enqueue(
    State(backend): State<Backend>,
    Path((sale, buyer)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<EnqueuedShape>, Problem> {
    let body = EnqueueBody::read(&body?)?;
    let enqueued = backend.client.enqueue(sale, buyer, body.units, body.payload).await?;
    Ok(Json(enqueued.into()))
}

async fn status(
    State(backend): State<Backend>,
    Path(ticket): Path<String>,
) -> Result<Json<StatusShape>, Problem> {
    let status = backend.client.poll(&Ticket::from(ticket)).await?;
    Ok(Json(status.into()))
}

async fn cancel(
    State(backend): State<Backend>,
    Path(ticket): Path<String>,
) -> Result<Json<CancellationShape>, Problem> {
    let cancellation = backend.client.cancel(&Ticket::from(ticket)).await?;
    Ok(Json(cancellation.into()))
}

/// Responses contain tickets and statuses: they must not be cached, and browsers must not guess their type.
async fn security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
