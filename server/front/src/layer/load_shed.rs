//! Load shedding: calls beyond what a core can bear are refused before anything of them is read, because a cheap and
//! complete answer is better than a late one.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::layer::checked::Checked;
use crate::{
    call::Call,
    call_error::CallError,
    metrics::{CallDurations, CoreCounts, CoreMetrics, ShedReason},
    spans::Spans,
};

/// A bound on the calls that one core works on at once, over all its connections.
#[derive(Debug)]
struct InFlightLimit {
    max: usize,
    in_flight: AtomicUsize,
}

/// One call's share of an [`InFlightLimit`].
#[derive(Debug)]
struct Permit(Arc<InFlightLimit>);

/// Refuses calls beyond a limit with `Overloaded`. Health checks always pass: a busy node is alive.
#[derive(Clone)]
pub(crate) struct LoadShedLayer {
    limit: Arc<InFlightLimit>,
    refused: Arc<ShedCalls>,
}

/// What counts and traces the calls that are refused here, since the layers for that are further in.
struct ShedCalls {
    counts: Arc<CoreCounts>,
    durations: Arc<CallDurations>,
    spans: Arc<Spans>,
}

/// Refuses calls to the inner service beyond a limit.
#[derive(Clone)]
pub(crate) struct LoadShed<S> {
    inner: S,
    layer: LoadShedLayer,
}

pin_project! {
    /// Holds the permit of a call until its response begins. A stream goes on without: most are idle nearly always.
    pub(crate) struct LoadShedFuture<F> {
        #[pin]
        inner: Checked<F>,
        permit: Option<Permit>,
    }
}

impl InFlightLimit {
    /// At most `max` calls.
    const fn new(max: usize) -> Self {
        Self { max, in_flight: AtomicUsize::new(0) }
    }

    /// A permit for one more call. `None`: there are as many as there may be. A call that is `exempt` always gets one.
    fn try_acquire(limit: &Arc<Self>, exempt: bool) -> Option<Permit> {
        // Made before the check: dropping it gives the permit back.
        let permit = Permit(Arc::clone(limit));
        let before = limit.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < limit.max || exempt).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LoadShedLayer {
    /// At most `max_in_flight` calls at once.
    pub(crate) fn new(max_in_flight: usize, metrics: &CoreMetrics, spans: &Arc<Spans>) -> Self {
        let CoreMetrics { counts, durations, .. } = metrics;
        let (counts, durations, spans) = (Arc::clone(counts), Arc::clone(durations), Arc::clone(spans));
        let limit = Arc::new(InFlightLimit::new(max_in_flight));
        Self { limit, refused: Arc::new(ShedCalls { counts, durations, spans }) }
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShed { inner, layer: self.clone() }
    }
}

impl<S, B> Service<Call<B>> for LoadShed<S>
where
    S: Service<Call<B>, Error = CallError>,
    S::Future: Future<Output = Result<S::Response, CallError>>,
{
    type Response = S::Response;
    type Error = CallError;
    type Future = LoadShedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call<B>) -> Self::Future {
        let permit = InFlightLimit::try_acquire(&self.layer.limit, call.method.is_health());
        let inner = if permit.is_some() {
            Checked::passed(self.inner.call(call))
        } else {
            self.layer.refused.record(&call);
            Checked::failed(CallError::Overloaded)
        };
        LoadShedFuture { inner, permit }
    }
}

impl<F, T> Future for LoadShedFuture<F>
where
    F: Future<Output = Result<T, CallError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        *this.permit = None;
        Poll::Ready(answer)
    }
}

impl ShedCalls {
    fn record<B>(&self, call: &Call<B>) {
        let (method, code) = (call.method, CallError::Overloaded.code());
        self.counts.shed(ShedReason::InFlight);
        self.durations.record(method, code, Duration::ZERO);
        let trace = self.spans.begin(method, call.request.headers());
        self.spans.end(&trace, method, code, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_free_again_once_its_call_is_over() {
        let limit = Arc::new(InFlightLimit::new(2));
        let first = InFlightLimit::try_acquire(&limit, false).unwrap();
        let _second = InFlightLimit::try_acquire(&limit, false).unwrap();
        assert!(InFlightLimit::try_acquire(&limit, false).is_none());
        assert!(InFlightLimit::try_acquire(&limit, true).is_some(), "health checks pass");
        drop(first);
        assert!(InFlightLimit::try_acquire(&limit, false).is_some());
    }
}
