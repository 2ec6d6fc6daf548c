//! Response bodies: one message and its trailers, or whatever tonic sends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use tonic::{Status, body::Body as TonicBody};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");

/// The body of a response.
#[derive(Debug, Default)]
pub(crate) enum ResponseBody {
    /// Nothing is left: the status is in the head, or the trailers have been sent.
    #[default]
    Empty,
    /// One message, and trailers that say OK.
    Message(Bytes),
    /// The trailers of a message that has been sent.
    Trailers,
    /// The body of a response of tonic's.
    Tonic(TonicBody),
}

/// The response that consists of this encoded message.
pub(crate) fn message_response(message: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Message(message));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = &mut *self;
        let frame = match body {
            Self::Tonic(inner) => return Pin::new(inner).poll_frame(context),
            Self::Empty => return Poll::Ready(None),
            Self::Message(message) => {
                let message = std::mem::take(message);
                *body = Self::Trailers;
                Frame::data(message)
            }
            Self::Trailers => {
                *body = Self::Empty;
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(Status::GRPC_STATUS, OK);
                Frame::trailers(trailers)
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Message(_) | Self::Trailers => false,
            Self::Tonic(inner) => inner.is_end_stream(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_message_is_one_data_frame_and_trailers() {
        let mut body = message_response(Bytes::from_static(b"answer")).into_body();
        let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "answer");
        assert_eq!(next().await.unwrap().unwrap().into_trailers().unwrap()["grpc-status"], "0");
        assert!(next().await.is_none());
    }
}
