//! The deadline: a call takes no longer than its `grpc-timeout`, or else the node's default.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service};

use crate::{
    call::{Call, Deadline},
    call_error::CallError,
};

/// Gives each call its deadline and enforces it until the response begins.
#[derive(Clone, Debug)]
pub(crate) struct DeadlineLayer {
    default: Duration,
}

/// Enforces deadlines of calls to the inner service.
#[derive(Clone, Debug)]
pub(crate) struct DeadlineService<S> {
    inner: S,
    default: Duration,
}

pin_project! {
    /// Resolves to what the inner service answers, or to `DeadlineExceeded`.
    pub(crate) struct DeadlineFuture<F> {
        // `None` if the deadline had passed when the call came.
        #[pin]
        inner: Option<F>,
        deadline: Instant,
        // Set once a poll finds no answer: refusals from memory never need a timer.
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F> DeadlineFuture<F> {
    const fn new(inner: Option<F>, deadline: Deadline) -> Self {
        Self { inner, deadline: deadline.instant(), timer: None }
    }
}

impl DeadlineLayer {
    /// Calls without `grpc-timeout` may take `default`.
    pub(crate) const fn new(default: Duration) -> Self {
        Self { default }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService { inner, default: self.default }
    }
}

impl<S, B> Service<Call<B>> for DeadlineService<S>
where
    S: Service<Call<B>, Error = CallError>,
    S::Future: Future<Output = Result<S::Response, CallError>>,
{
    type Response = S::Response;
    type Error = CallError;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call<B>) -> Self::Future {
        let deadline = Deadline::of(call.request.headers(), call.received_at, self.default);
        if deadline.has_passed() {
            return DeadlineFuture::new(None, deadline);
        }
        call.meta.deadline = deadline;
        DeadlineFuture::new(Some(self.inner.call(call)), deadline)
    }
}

impl<F, T> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<T, CallError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_pin_mut() {
            if let Poll::Ready(answer) = inner.poll(context) {
                return Poll::Ready(answer);
            }
            if this.timer.is_none() {
                this.timer.set(Some(sleep_until(*this.deadline)));
            }
            if let Some(timer) = this.timer.as_pin_mut() {
                ready!(timer.poll(context));
            }
        }
        Poll::Ready(Err(CallError::DeadlineExceeded))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http::Request;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn call(timeout: &str) -> Call<()> {
        Call::new(Request::builder().header("grpc-timeout", timeout).body(()).unwrap())
    }

    #[tokio::test]
    async fn a_call_ends_at_its_deadline() {
        let never = service_fn(|_: Call<()>| pending::<Result<(), CallError>>());
        let layer = DeadlineLayer::new(Duration::from_millis(5));
        for call in [call("1m"), call("not a timeout")] {
            assert_eq!(layer.layer(never).oneshot(call).await, Err(CallError::DeadlineExceeded));
        }
    }

    #[tokio::test]
    async fn a_call_without_time_left_does_not_reach_the_service() {
        let inner = service_fn(|_: Call<()>| async { panic!("the service was called") });
        let layer = DeadlineLayer::new(Duration::from_secs(1));
        let answer: Result<(), _> = layer.layer(inner).oneshot(call("0n")).await;
        assert_eq!(answer, Err(CallError::DeadlineExceeded));
    }

    #[tokio::test]
    async fn the_service_gets_the_deadline() {
        let echo = service_fn(|call: Call<()>| async move {
            Ok::<_, CallError>((
                call.meta.deadline.instant() - call.received_at,
                call.meta.deadline.of_stream(),
            ))
        });
        let layer = DeadlineLayer::new(Duration::from_secs(7));
        let (left, of_stream) = layer.layer(echo).oneshot(call("3S")).await.unwrap();
        assert_eq!(left, Duration::from_secs(3));
        assert!(of_stream.is_some());
        let (left, of_stream) = layer.layer(echo).oneshot(Call::new(Request::new(()))).await.unwrap();
        assert_eq!((left, of_stream), (Duration::from_secs(7), None));
    }
}
