//! Authentication: who calls. For now every call is anonymous and passes.

use std::task::{Context, Poll};

use http::HeaderMap;
use tower::{Layer, Service};

use crate::layer::checked::Checked;
use crate::{
    call::{Call, Caller},
    call_error::CallError,
};

/// Finds out who calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthenticationLayer;

/// Sets the caller of each call before the inner service sees it.
#[derive(Clone, Debug)]
pub(crate) struct Authentication<S> {
    inner: S,
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authentication<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authentication { inner }
    }
}

impl<S, B> Service<Call<B>> for Authentication<S>
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

    fn call(&mut self, mut call: Call<B>) -> Self::Future {
        match authenticate(call.request.headers()) {
            Ok(caller) => {
                call.meta.caller = caller;
                Checked::passed(self.inner.call(call))
            }
            Err(error) => Checked::failed(error),
        }
    }
}

/// The caller that these headers prove.
const fn authenticate(_headers: &HeaderMap) -> Result<Caller, CallError> {
    Ok(Caller::Anonymous)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn every_call_passes_as_anonymous() {
        let echo = service_fn(|call: Call<()>| async move { Ok::<_, CallError>(call.meta.caller) });
        for authorization in [None, Some("Bearer token"), Some("")] {
            let mut request = Request::new(());
            if let Some(value) = authorization {
                request.headers_mut().insert("authorization", value.parse().unwrap());
            }
            let caller = AuthenticationLayer.layer(echo).oneshot(Call::new(request)).await;
            assert_eq!(caller, Ok(Caller::Anonymous), "{authorization:?}");
        }
    }
}
