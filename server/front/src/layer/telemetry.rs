//! Telemetry of calls: their spans, their duration by method and status, and how many clients disconnected.
//!
//! A call ends with the status of its response, or because its client disconnected, or because its handler panicked.
//! Its end is recorded once, with one reading of the clock.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, instrument::Instrumented};

use crate::{
    call::{Call, Method},
    call_error::CallError,
    metrics::{CallDurations, CoreCounts, CoreMetrics, ShedReason},
    spans::{CallTrace, Spans},
};

/// What traces and measures the calls of a core.
pub(crate) struct CallTelemetry {
    counts: Arc<CoreCounts>,
    durations: CallDurations,
    spans: Spans,
}

impl CallTelemetry {
    pub(crate) fn new(metrics: CoreMetrics, spans: Spans) -> Arc<Self> {
        let CoreMetrics { counts, durations, sales: _ } = metrics;
        Arc::new(Self { counts, durations, spans })
    }

    /// The counters of the core.
    pub(super) const fn counts(&self) -> &Arc<CoreCounts> {
        &self.counts
    }

    /// Records a call that is shed, without a guard: it ends as soon as it begins.
    pub(super) fn record_shed<B>(&self, call: &Call<B>) {
        self.counts.shed(ShedReason::InFlight);
        let trace = self.spans.begin(call.method, call.request.headers());
        self.record(&trace, call.method, CallError::Overloaded.code(), Duration::ZERO);
    }

    fn record(&self, trace: &CallTrace, method: Method, code: Code, took: Duration) {
        self.durations.record(method, code, took);
        self.spans.end(trace, method, code, took);
    }
}

/// Traces and measures the calls of a core.
#[derive(Clone)]
pub(crate) struct TelemetryLayer(pub(crate) Arc<CallTelemetry>);

/// Traces and measures calls to the inner service.
#[derive(Clone)]
pub(crate) struct TelemetryService<S> {
    inner: S,
    telemetry: Arc<CallTelemetry>,
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = TelemetryService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TelemetryService { inner, telemetry: Arc::clone(&self.0) }
    }
}

impl<S, B, R> Service<Call<B>> for TelemetryService<S>
where
    S: Service<Call<B>, Response = Response<R>, Error = CallError>,
    S::Future: Future<Output = Result<Response<R>, CallError>>,
    R: Body,
{
    type Response = Response<TelemetryBody<R>>;
    type Error = CallError;
    type Future = TelemetryFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call<B>) -> Self::Future {
        let (method, received_at) = (call.method, call.received_at);
        let trace = self.telemetry.spans.begin(method, call.request.headers());
        call.meta.trace = trace.trace();
        // Not at the level of operators: a rush is a hundred thousand calls a second.
        let span = tracing::debug_span!("call", rpc.method = method.name());
        let inner = self.inner.call(call).instrument(span);
        let telemetry = Arc::clone(&self.telemetry);
        TelemetryFuture { inner, guard: Some(EndGuard { telemetry, trace, method, received_at, end: None }) }
    }
}

/// Records the end of a call when it is dropped. If it is dropped before `end` is set, the client disconnected or the
/// handler panicked.
struct EndGuard {
    telemetry: Arc<CallTelemetry>,
    trace: CallTrace,
    method: Method,
    received_at: Instant,
    /// The status that the call was answered with.
    end: Option<Code>,
}

impl EndGuard {
    fn answered(mut self, code: Code) {
        self.end = Some(code);
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let code = match self.end {
            Some(code) => code,
            None if thread::panicking() => Code::Internal,
            None => {
                self.telemetry.counts.cancelled();
                Code::Cancelled
            }
        };
        self.telemetry.record(&self.trace, self.method, code, self.received_at.elapsed());
    }
}

pin_project! {
    /// The future of a call, which it polls in the context of the call's span.
    pub(crate) struct TelemetryFuture<F> {
        #[pin]
        inner: Instrumented<F>,
        guard: Option<EndGuard>,
    }
}

impl<F, B> Future for TelemetryFuture<F>
where
    F: Future<Output = Result<Response<B>, CallError>>,
    B: Body,
{
    type Output = Result<Response<TelemetryBody<B>>, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let trace = this.guard.as_ref().and_then(|guard| guard.trace.context());
        let attached = trace.cloned().map(opentelemetry::Context::attach);
        let answer = ready!(this.inner.poll(context));
        drop(attached);
        let mut guard = this.guard.take();
        Poll::Ready(match answer {
            Ok(response) => {
                // A response without a body has its status in the head.
                if response.body().is_end_stream()
                    && let Some(guard) = guard.take()
                {
                    guard.answered(status_in(response.headers()));
                }
                Ok(response.map(|inner| TelemetryBody { inner, guard }))
            }
            Err(error) => {
                if let Some(guard) = guard {
                    guard.answered(error.code());
                }
                Err(error)
            }
        })
    }
}

pin_project! {
    /// The response body of a call, which ends the call with its trailers.
    pub(crate) struct TelemetryBody<B> {
        #[pin]
        inner: B,
        guard: Option<EndGuard>,
    }
}

/// The body of an error response that a layer further out made: this layer has recorded its call, or never saw it.
impl<B: Default> Default for TelemetryBody<B> {
    fn default() -> Self {
        Self { inner: B::default(), guard: None }
    }
}

impl<B: Body> Body for TelemetryBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        let status = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().map(status_in),
            Some(Err(_)) | None => Some(Code::Unknown),
        };
        if let Some(status) = status
            && let Some(guard) = this.guard.take()
        {
            guard.answered(status);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The status in the head or the trailers of a response; UNKNOWN if there is none.
fn status_in(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

#[cfg(test)]
mod tests;
