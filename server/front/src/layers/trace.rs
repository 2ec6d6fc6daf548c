//! A span for every call.

use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tower::Service;
use tracing::{Instrument as _, instrument::Instrumented};

use crate::trace_context::TraceContext;

/// Opens a span named after the call's method, and hands the caller's trace context on as an extension.
#[derive(Clone)]
pub(super) struct Trace<S> {
    inner: S,
}

impl<S> Trace<S> {
    pub(super) fn around(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Trace<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Not at the level of operators: a rush is a hundred thousand calls a second.
        let span = tracing::debug_span!("call", rpc.method = request.uri().path());
        if let Some(context) = TraceContext::read(request.headers()) {
            request.extensions_mut().insert(context);
        }
        let entered = span.enter();
        let answer = self.inner.call(request);
        drop(entered);
        answer.instrument(span)
    }
}
