//! Propagates the trace context of a request to Inrush.

use axum::{extract::Request, http::HeaderValue, middleware::Next, response::Response};
use tokio::task_local;
use tonic::metadata::{MetadataMap, MetadataValue};

/// The W3C trace context, under the same name in HTTP and in gRPC.
const TRACEPARENT: &str = "traceparent";

task_local! {
    static TRACE: Option<HeaderValue>;
}

/// Keeps the trace context of a request while it is handled. A backend with an OpenTelemetry SDK would start
/// a span here.
pub(crate) async fn capture_trace(request: Request, next: Next) -> Response {
    let trace = request.headers().get(TRACEPARENT).cloned();
    TRACE.scope(trace, next.run(request)).await
}

/// Adds the trace context to a request to Inrush.
pub(crate) fn propagate_trace(metadata: &mut MetadataMap) {
    let trace = TRACE.try_with(Clone::clone).ok().flatten();
    if let Some(value) = trace.and_then(|trace| MetadataValue::try_from(trace.as_bytes()).ok()) {
        metadata.insert(TRACEPARENT, value);
    }
}
