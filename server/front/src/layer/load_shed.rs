//! Load shedding: calls beyond what a core can bear are refused before anything of them is read, because a cheap and
//! complete answer is better than a late one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{
    call::Call,
    call_error::CallError,
    layer::{check::Checked, telemetry::CallTelemetry},
    metrics::{CoreCounts, GaugeGuard, GaugeKind},
};

/// The in-flight limit: refuses calls beyond it with `Overloaded`. Health checks always pass: a busy node is alive.
#[derive(Clone)]
pub(crate) struct LoadShedLayer {
    max_in_flight: usize,
    /// Counts and traces the calls that are refused here: the layer for that is further in.
    telemetry: Arc<CallTelemetry>,
}

/// Refuses calls to the inner service beyond the limit.
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
        permit: Option<GaugeGuard>,
    }
}

impl LoadShedLayer {
    /// At most `max_in_flight` calls at the same time, over all connections of the core.
    pub(crate) const fn new(max_in_flight: usize, telemetry: Arc<CallTelemetry>) -> Self {
        Self { max_in_flight, telemetry }
    }
}

/// A permit for one more call: its share of the gauge of calls in flight. `None`: the limit is reached. A call that is
/// `exempt` always gets one.
fn try_acquire(counts: &Arc<CoreCounts>, max: usize, exempt: bool) -> Option<GaugeGuard> {
    let (permit, before) = counts.count_after(GaugeKind::Calls);
    (exempt || before < max as u64).then_some(permit)
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
        let LoadShedLayer { max_in_flight, telemetry } = &self.layer;
        let permit = try_acquire(telemetry.counts(), *max_in_flight, call.method.is_health());
        let inner = if permit.is_some() {
            Checked::passed(self.inner.call(call))
        } else {
            telemetry.record_shed(&call);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_free_again_once_its_call_is_over() {
        let counts = Arc::new(CoreCounts::default());
        let first = try_acquire(&counts, 2, false).unwrap();
        let _second = try_acquire(&counts, 2, false).unwrap();
        assert!(try_acquire(&counts, 2, false).is_none());
        assert!(try_acquire(&counts, 2, true).is_some(), "health checks pass");
        drop(first);
        assert!(try_acquire(&counts, 2, false).is_some());
    }
}
