//! Traces of calls: the span of a call, and the context that its work is done in.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::{Instrument as _, instrument::Instrumented};

use crate::layer::observed::{CallObserver, ObservedBody, ObservedFuture, Outcome};
use crate::{
    call::{Call, Method},
    call_error::CallError,
    spans::{CallTrace, Spans},
};

/// Traces the calls of a core.
#[derive(Clone)]
pub(crate) struct TraceLayer {
    spans: Arc<Spans>,
}

/// Traces calls to the inner service.
#[derive(Clone)]
pub(crate) struct TraceService<S> {
    inner: S,
    spans: Arc<Spans>,
}

/// Ends the span of one call.
pub(crate) struct TraceObserver {
    spans: Arc<Spans>,
    trace: CallTrace,
    method: Method,
    received_at: Instant,
}

pin_project! {
    /// Polls the inner future in the context of the call's span.
    pub(crate) struct InSpan<F> {
        #[pin]
        inner: Instrumented<F>,
        // `None` if the call is not traced.
        context: Option<opentelemetry::Context>,
    }
}

impl TraceLayer {
    pub(crate) const fn new(spans: Arc<Spans>) -> Self {
        Self { spans }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = TraceService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceService { inner, spans: Arc::clone(&self.spans) }
    }
}

impl<S, B, R> Service<Call<B>> for TraceService<S>
where
    S: Service<Call<B>, Response = Response<R>, Error = CallError>,
    S::Future: Future<Output = Result<Response<R>, CallError>>,
    R: Body,
{
    type Response = Response<ObservedBody<R, TraceObserver>>;
    type Error = CallError;
    type Future = ObservedFuture<InSpan<S::Future>, TraceObserver>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call<B>) -> Self::Future {
        let (method, received_at) = (call.method, call.received_at);
        let trace = self.spans.begin(method, call.request.headers());
        call.meta.trace = trace.trace();
        // Not at the level of operators: a rush is a hundred thousand calls a second.
        let span = tracing::debug_span!("call", rpc.method = method.name());
        let context = trace.context().cloned();
        let inner = InSpan { inner: self.inner.call(call).instrument(span), context };
        ObservedFuture::new(
            inner,
            TraceObserver { spans: Arc::clone(&self.spans), trace, method, received_at },
        )
    }
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _attached = this.context.clone().map(opentelemetry::Context::attach);
        this.inner.poll(context)
    }
}

impl CallObserver for TraceObserver {
    fn on_end(&mut self, outcome: Outcome) {
        self.spans.end(&self.trace, self.method, outcome.code(), self.received_at.elapsed());
    }
}
