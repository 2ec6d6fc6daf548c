//! What a request must look like to be a gRPC call. A web page can send anything else without asking first (a simple request
//! of CORS), so nothing else reaches a service.

use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Method, Request, header::CONTENT_TYPE};
use tower::{Layer, Service};

use crate::layer::checked::Checked;
use crate::{call::Call, call_error::CallError};

/// The content type of gRPC. A message format may follow after `+`, parameters after `;`.
const GRPC: &[u8] = b"application/grpc";

/// Refuses requests that are not gRPC.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrpcRequestLayer;

/// Lets gRPC requests through to the inner service.
#[derive(Clone, Debug)]
pub(crate) struct GrpcRequest<S> {
    inner: S,
}

impl<S> Layer<S> for GrpcRequestLayer {
    type Service = GrpcRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcRequest { inner }
    }
}

impl<S, B> Service<Call<B>> for GrpcRequest<S>
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
        match check(&call.request) {
            Ok(()) => Checked::passed(self.inner.call(call)),
            Err(error) => Checked::failed(error),
        }
    }
}

fn check<B>(request: &Request<B>) -> Result<(), CallError> {
    if request.method() != Method::POST {
        return Err(CallError::MethodNotAllowed);
    }
    if !has_grpc_content_type(request.headers()) {
        return Err(CallError::UnsupportedContentType);
    }
    Ok(())
}

fn has_grpc_content_type(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).and_then(|kind| kind.strip_prefix(GRPC));
    // `application/grpc-web` is another protocol.
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: &str, content_type: Option<&str>) -> Result<(), CallError> {
        let mut request = Request::builder().method(method);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        check(&request.body(()).unwrap())
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
}
