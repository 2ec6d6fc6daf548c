//! Routing: the hot calls go to the queue service through the thin codec, all others to tonic's generated services.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Response};
use http_body::Body;
use tonic::{body::Body as TonicBody, codegen::StdError, service::Routes};
use tower::Service as _;

use crate::rpc::{
    normalize_status::normalize_status,
    single_message::SingleMessage,
    unary::{ResponseBody, encode, message_response, read_message},
};
use crate::{
    call::{Call, CallMeta, Method},
    call_error::CallError,
    service::queue_service::QueueService,
};

/// Present if messages of a call may be compressed.
static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The services of one core.
pub(crate) struct Router {
    pub(crate) queue: Arc<QueueService>,
    pub(crate) max_request_size: usize,
    pub(crate) routes: Routes,
}

/// The calls of a rush. tonic's path for streams of messages would take more processor time than everything else that
/// they need.
#[derive(Clone, Copy, Debug)]
enum HotCall {
    Enqueue,
    PollStatus,
    Cancel,
}

impl HotCall {
    /// `None` for every other call, and for calls with compression: tonic answers them.
    fn classify<B>(call: &Call<B>) -> Option<Self> {
        let hot = match call.method {
            Method::ENQUEUE => Self::Enqueue,
            Method::POLL_STATUS => Self::PollStatus,
            Method::CANCEL => Self::Cancel,
            _ => return None,
        };
        (!call.request.headers().contains_key(&GRPC_ENCODING)).then_some(hot)
    }
}

/// A call on its way to its service. Nothing is left of a hot call's head: what the future of a call holds is copied for
/// every call.
enum Routed<B> {
    Hot(HotCall, B, CallMeta),
    Tonic(Box<http::Request<TonicBody>>),
}

impl Router {
    /// Answers a call.
    pub(crate) fn answer<B>(
        self: Arc<Self>,
        call: Call<B>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, CallError>> + Send
    where
        B: Body<Data = Bytes, Error: Into<StdError> + std::fmt::Display> + Send + Unpin + 'static,
    {
        let routed = Routed::new(call);
        async move {
            match routed {
                Routed::Hot(hot, body, meta) => Ok(message_response(self.hot(hot, body, &meta).await?)),
                Routed::Tonic(request) => {
                    let Ok(response) = self.routes.clone().call(*request).await;
                    Ok(normalize_status(response).map(ResponseBody::Tonic))
                }
            }
        }
    }

    async fn hot<B>(&self, call: HotCall, body: B, meta: &CallMeta) -> Result<Bytes, CallError>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let (queue, limit) = (&self.queue, self.max_request_size);
        Ok(match call {
            HotCall::Enqueue => encode(&queue.enqueue(read_message(body, limit).await?, meta).await?),
            HotCall::PollStatus => encode(&queue.poll_status(&read_message(body, limit).await?, meta).await?),
            HotCall::Cancel => encode(&queue.cancel(&read_message(body, limit).await?, meta).await?),
        })
    }
}

impl<B> Routed<B>
where
    B: Body<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
{
    fn new(call: Call<B>) -> Self {
        let hot = HotCall::classify(&call);
        let Call { request, method, meta, .. } = call;
        if let Some(hot) = hot {
            return Self::Hot(hot, request.into_body(), meta);
        }
        let (mut head, body) = request.into_parts();
        head.extensions.insert(meta);
        let body = if method.is_client_streaming() {
            TonicBody::new(body)
        } else {
            TonicBody::new(SingleMessage::new(body))
        };
        Self::Tonic(Box::new(http::Request::from_parts(head, body)))
    }
}
