//! Checks that pass a call on or refuse it before it reaches a service: gRPC only, authentication, rate limit.
//!
//! [`CheckLayer`] is the layer of each of them. A check that needs more than a few lines gets a file of its own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{
    call::{Call, Caller},
    call_error::CallError,
};

/// A check of calls.
pub(crate) trait Check: Clone {
    /// Passes a call on, perhaps with more in its meta.
    ///
    /// # Errors
    /// The error that refuses the call.
    fn check<B>(&self, call: &mut Call<B>) -> Result<(), CallError>;
}

/// Refuses the calls that do not pass a check.
#[derive(Clone, Debug)]
pub(crate) struct CheckLayer<C>(pub(crate) C);

/// Passes calls to the inner service if they pass a check.
#[derive(Clone, Debug)]
pub(crate) struct CheckService<S, C> {
    inner: S,
    check: C,
}

pin_project! {
    /// Resolves to what the inner service answers, or to the error of the check.
    #[project = CheckedProjection]
    pub(crate) enum Checked<F> {
        /// The inner service has the call.
        Passed {
            #[pin]
            inner: F,
        },
        /// The check has failed.
        Failed {
            error: Option<CallError>,
        },
    }
}

impl<S, C: Check> Layer<S> for CheckLayer<C> {
    type Service = CheckService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CheckService { inner, check: self.0.clone() }
    }
}

impl<S, C, B> Service<Call<B>> for CheckService<S, C>
where
    S: Service<Call<B>, Error = CallError>,
    S::Future: Future<Output = Result<S::Response, CallError>>,
    C: Check,
{
    type Response = S::Response;
    type Error = CallError;
    type Future = Checked<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call<B>) -> Self::Future {
        match self.check.check(&mut call) {
            Ok(()) => Checked::passed(self.inner.call(call)),
            Err(error) => Checked::failed(error),
        }
    }
}

impl<F> Checked<F> {
    pub(super) const fn passed(inner: F) -> Self {
        Self::Passed { inner }
    }

    pub(super) const fn failed(error: CallError) -> Self {
        Self::Failed { error: Some(error) }
    }
}

impl<F, T> Future for Checked<F>
where
    F: Future<Output = Result<T, CallError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CheckedProjection::Passed { inner } => inner.poll(context),
            CheckedProjection::Failed { error } => {
                error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
            }
        }
    }
}

/// The content type of gRPC. A message format may follow after `+`, parameters after `;`.
const GRPC: &[u8] = b"application/grpc";

/// Passes only gRPC requests: POST with a content type of gRPC's. A web page can send all others without a preflight
/// (they are simple requests of CORS).
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrpcOnly;

impl Check for GrpcOnly {
    fn check<B>(&self, call: &mut Call<B>) -> Result<(), CallError> {
        if call.request.method() != Method::POST {
            return Err(CallError::MethodNotAllowed);
        }
        if !has_grpc_content_type(call.request.headers()) {
            return Err(CallError::UnsupportedContentType);
        }
        Ok(())
    }
}

fn has_grpc_content_type(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).and_then(|kind| kind.strip_prefix(GRPC));
    // `application/grpc-web` is another protocol.
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Sets the caller of a call. For now every call passes as anonymous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authentication;

impl Check for Authentication {
    fn check<B>(&self, call: &mut Call<B>) -> Result<(), CallError> {
        call.meta.caller = Caller::Anonymous;
        Ok(())
    }
}

/// Limits how many calls per second a caller makes. For now no caller has a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimit;

impl Check for RateLimit {
    fn check<B>(&self, call: &mut Call<B>) -> Result<(), CallError> {
        match call.meta.caller {
            Caller::Anonymous => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn checked(method: &str, content_type: Option<&str>) -> Result<(), CallError> {
        let mut request = Request::builder().method(method);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        GrpcOnly.check(&mut Call::new(request.body(()).unwrap()))
    }

    #[test]
    fn grpc_with_any_message_format_passes() {
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert_eq!(checked("POST", Some(content_type)), Ok(()), "{content_type}");
        }
    }

    #[test]
    fn other_content_types_are_refused() {
        let others = ["text/plain", "application/json", "application/grpc-web", "application/grpcx", ""];
        for content_type in others.map(Some).into_iter().chain([None]) {
            assert_eq!(
                checked("POST", content_type),
                Err(CallError::UnsupportedContentType),
                "{content_type:?}"
            );
        }
    }

    #[test]
    fn other_methods_are_refused() {
        for method in ["GET", "PUT", "HEAD", "OPTIONS", "CONNECT", "post"] {
            assert_eq!(
                checked(method, Some("application/grpc")),
                Err(CallError::MethodNotAllowed),
                "{method}"
            );
        }
    }

    #[tokio::test]
    async fn a_refused_call_does_not_reach_the_service() {
        let inner = service_fn(|_: Call<()>| async { panic!("the service was called") });
        let request = Request::builder().method("GET").body(()).unwrap();
        let answer: Result<(), _> = CheckLayer(GrpcOnly).layer(inner).oneshot(Call::new(request)).await;
        assert_eq!(answer, Err(CallError::MethodNotAllowed));
    }

    #[tokio::test]
    async fn every_call_passes_as_anonymous() {
        let echo = service_fn(|call: Call<()>| async move { Ok::<_, CallError>(call.meta.caller) });
        for authorization in [None, Some("Bearer token"), Some("")] {
            let mut request = Request::new(());
            if let Some(value) = authorization {
                request.headers_mut().insert("authorization", value.parse().unwrap());
            }
            let caller = CheckLayer(Authentication).layer(echo).oneshot(Call::new(request)).await;
            assert_eq!(caller, Ok(Caller::Anonymous), "{authorization:?}");
        }
    }

    #[tokio::test]
    async fn an_anonymous_caller_is_not_limited() {
        let inner = service_fn(|_: Call<()>| async { Ok::<_, CallError>(()) });
        let limited = CheckLayer(RateLimit).layer(inner);
        for _ in 0..10_000 {
            assert_eq!(limited.clone().oneshot(Call::new(Request::new(()))).await, Ok(()));
        }
    }
}
