//! Errors become responses here, in one place: HTTP status, gRPC status and its details, all in the head.

use std::{
    cell::Cell,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{call::Call, call_error::CallError};

/// How many prebuilt responses there are, each with another retry delay. Enough to spread the retries a little more than
/// the calls were spread, and few enough for the HPACK table of a connection, 4 KiB, to hold all: a response that was sent
/// before takes a few bytes.
const OVERLOAD_RESPONSES: usize = 4;

/// Answers errors of the inner layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorResponseLayer;

/// Answers errors of the inner service.
#[derive(Clone, Debug)]
pub(crate) struct ErrorResponse<S> {
    inner: S,
}

pin_project! {
    /// Resolves to the response of the inner service, or to the response that its error becomes.
    pub(crate) struct ErrorResponseFuture<F> {
        #[pin]
        inner: F,
    }
}

/// The responses of an overloaded core, built once: what a shed call costs is taken from the calls that are served.
#[derive(Debug)]
struct OverloadResponses {
    heads: [Response<()>; OVERLOAD_RESPONSES],
    next: Cell<usize>,
}

thread_local! {
    // A core is a thread, and clones of a response share memory.
    static OVERLOAD: OverloadResponses = OverloadResponses::new();
}

impl<S> Layer<S> for ErrorResponseLayer {
    type Service = ErrorResponse<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorResponse { inner }
    }
}

impl<S, B, R> Service<Call<B>> for ErrorResponse<S>
where
    S: Service<Call<B>, Response = Response<R>, Error = CallError>,
    S::Future: Future<Output = Result<Response<R>, CallError>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = ErrorResponseFuture<S::Future>;

    /// The layers are always ready: a call beyond the limits is refused, not queued.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<B>) -> Self::Future {
        ErrorResponseFuture { inner: self.inner.call(call) }
    }
}

impl<F, R> Future for ErrorResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, CallError>>,
    R: Default,
{
    type Output = Result<Response<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(Ok(match ready!(this.inner.poll(context)) {
            Ok(response) => response,
            Err(CallError::Overloaded) => OVERLOAD.with(OverloadResponses::next).map(|()| R::default()),
            Err(error) => error.into_response().map(|()| R::default()),
        }))
    }
}

impl OverloadResponses {
    fn new() -> Self {
        let heads = std::array::from_fn(|_| CallError::Overloaded.into_response());
        Self { heads, next: Cell::new(0) }
    }

    /// The responses in turn.
    fn next(&self) -> Response<()> {
        let index = self.next.get();
        self.next.set((index + 1) % OVERLOAD_RESPONSES);
        self.heads.get(index).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::Request;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[test]
    fn overload_responses_have_different_retry_delays() {
        let responses = OverloadResponses::new();
        let details =
            (0..OVERLOAD_RESPONSES).map(|_| responses.next().headers()["grpc-status-details-bin"].clone());
        assert!(details.collect::<HashSet<_>>().len() > 1);
        assert_eq!(responses.next().headers()["grpc-status"], "14", "from the first again");
    }

    #[tokio::test]
    async fn an_error_is_a_response_with_its_status_in_the_head() {
        let fails = service_fn(|_: Call<()>| async { Err::<Response<()>, _>(CallError::UnknownCall) });
        let answered = ErrorResponseLayer.layer(fails).oneshot(Call::new(Request::new(()))).await;
        let Ok(response) = answered;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["grpc-status"]),
            (200, &"12".parse().unwrap())
        );
    }
}
