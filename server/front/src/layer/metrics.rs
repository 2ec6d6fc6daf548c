//! Metrics of calls: how long they take by method and status, how many are in flight, how many clients disconnected.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::layer::observed::{CallObserver, ObservedBody, ObservedFuture, Outcome};
use crate::{
    call::{Call, Method},
    call_error::CallError,
    metrics::{CallDurations, CoreCounts, CoreMetrics, GaugeGuard, GaugeKind},
};

/// Counts and measures the calls of a core.
#[derive(Clone)]
pub(crate) struct MetricsLayer {
    durations: Arc<CallDurations>,
    counts: Arc<CoreCounts>,
}

/// Counts and measures calls to the inner service.
#[derive(Clone)]
pub(crate) struct MetricsService<S> {
    inner: S,
    layer: MetricsLayer,
}

/// Counts one call.
pub(crate) struct MetricsObserver {
    layer: MetricsLayer,
    method: Method,
    received_at: Instant,
    /// A stream is in flight only until its response begins: most streams are idle nearly always.
    in_flight: Option<GaugeGuard>,
}

impl MetricsLayer {
    pub(crate) fn new(metrics: &CoreMetrics) -> Self {
        Self { durations: Arc::clone(&metrics.durations), counts: Arc::clone(&metrics.counts) }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = MetricsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MetricsService { inner, layer: self.clone() }
    }
}

impl<S, B, R> Service<Call<B>> for MetricsService<S>
where
    S: Service<Call<B>, Response = Response<R>, Error = CallError>,
    S::Future: Future<Output = Result<Response<R>, CallError>>,
    R: Body,
{
    type Response = Response<ObservedBody<R, MetricsObserver>>;
    type Error = CallError;
    type Future = ObservedFuture<S::Future, MetricsObserver>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call<B>) -> Self::Future {
        let observer = MetricsObserver {
            layer: self.layer.clone(),
            method: call.method,
            received_at: call.received_at,
            in_flight: Some(self.layer.counts.count(GaugeKind::Calls)),
        };
        ObservedFuture::new(self.inner.call(call), observer)
    }
}

impl CallObserver for MetricsObserver {
    fn on_response(&mut self) {
        self.in_flight = None;
    }

    fn on_end(&mut self, outcome: Outcome) {
        self.in_flight = None;
        if outcome == Outcome::Cancelled {
            self.layer.counts.cancelled();
        }
        self.layer.durations.record(self.method, outcome.code(), self.received_at.elapsed());
    }
}
