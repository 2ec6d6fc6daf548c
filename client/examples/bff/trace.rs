//! Passing a phone's trace on: what is done for a request at Inrush is part of the trace that the request is part of.

use axum::{extract::Request, http::HeaderValue, middleware::Next, response::Response};
use tokio::task_local;
use tonic::metadata::{MetadataMap, MetadataValue};

/// The W3C trace context, under the same name in HTTP and in gRPC.
const TRACEPARENT: &str = "traceparent";

task_local! {
    static TRACE: Option<HeaderValue>;
}

/// Remembers the trace of a request for as long as it is worked on. A backend with an OpenTelemetry SDK would begin a span of
/// its own here.
pub(crate) async fn capture_trace(request: Request, next: Next) -> Response {
    let trace = request.headers().get(TRACEPARENT).cloned();
    TRACE.scope(trace, next.run(request)).await
}

/// Tells Inrush of it.
pub(crate) fn propagate_trace(metadata: &mut MetadataMap) {
    let trace = TRACE.try_with(Clone::clone).ok().flatten();
    if let Some(value) = trace.and_then(|trace| MetadataValue::try_from(trace.as_bytes()).ok()) {
        metadata.insert(TRACEPARENT, value);
    }
}
