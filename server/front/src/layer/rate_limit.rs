//! The rate limit of a caller. For now no caller has one.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use crate::layer::checked::Checked;
use crate::{
    call::{Call, Caller},
    call_error::CallError,
};

/// Bounds how many calls a caller makes in a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimitLayer;

/// Lets a call through while its caller is within its rate.
#[derive(Clone, Debug)]
pub(crate) struct RateLimit<S> {
    inner: S,
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner }
    }
}

impl<S, B> Service<Call<B>> for RateLimit<S>
where
    S: Service<Call<B>, Error = CallError>,
    S::Future: Future<Output = Result<S::Response, CallError>>,
{
    type Response = S::Response;
    type Error = CallError;
    type Future = Checked<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call<B>) -> Self::Future {
        match check(&call.meta.caller) {
            Ok(()) => Checked::passed(self.inner.call(call)),
            Err(error) => Checked::failed(error),
        }
    }
}

/// Takes one call off what the caller may still make now.
const fn check(caller: &Caller) -> Result<(), CallError> {
    match caller {
        Caller::Anonymous => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn an_anonymous_caller_is_not_limited() {
        let inner = service_fn(|_: Call<()>| async { Ok::<_, CallError>(()) });
        let limited = RateLimitLayer.layer(inner);
        for _ in 0..10_000 {
            assert_eq!(limited.clone().oneshot(Call::new(Request::new(()))).await, Ok(()));
        }
    }
}
