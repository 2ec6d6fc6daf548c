//! The thin codec of unary calls: one message in, one message and its trailers out, without tonic's machinery for streams
//! of messages.

use std::{
    fmt::Display,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use prost::Message;
use tonic::{Status, body::Body as TonicBody};

use crate::call_error::CallError;

/// Before a message: whether it is compressed, and its length in four bytes.
pub(super) const PREFIX: usize = 5;

/// Capacity for nearly every answer; a longer one grows.
const ANSWER_CAPACITY: usize = 256;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");

/// Reads the one message of a call, of at most `limit` bytes.
///
/// # Errors
/// `MessageTooLarge`, as soon as the length is known; `MalformedRequest` for everything that is not one message of this type.
pub(crate) async fn read_message<M, B>(mut body: B, limit: usize) -> Result<M, CallError>
where
    M: Message + Default,
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let mut received = Received::Whole(Bytes::new());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.map_err(|error| interrupted(&error))?.into_data() {
            received.append(data);
            check_length(received.as_slice(), limit)?;
        }
        // Most messages come in one piece, and nothing follows.
        if body.is_end_stream() {
            break;
        }
    }
    decode(received.into_bytes())
}

/// The part of a message that has been received. The first piece is kept as it is; a buffer is made only if there are more.
enum Received {
    Whole(Bytes),
    Joined(BytesMut),
}

impl Received {
    fn append(&mut self, data: Bytes) {
        match self {
            Self::Whole(first) if first.is_empty() => *first = data,
            Self::Whole(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + data.len());
                joined.put_slice(first);
                joined.put(data);
                *self = Self::Joined(joined);
            }
            // Grows by doubling, so joining costs no more than a copy or two of each byte.
            Self::Joined(joined) => joined.extend_from_slice(&data),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Joined(bytes) => bytes.freeze(),
        }
    }
}

/// Checked before the whole message is received: a message that is too long fails early.
fn check_length(received: &[u8], limit: usize) -> Result<(), CallError> {
    let Some((prefix, rest)) = received.split_first_chunk::<PREFIX>() else { return Ok(()) };
    let length = length(*prefix);
    if length > limit {
        let detail = format!("the message has {length} bytes, and the limit is {limit}");
        return Err(CallError::MessageTooLarge(detail));
    }
    if rest.len() > length {
        return Err(CallError::second_message());
    }
    Ok(())
}

fn decode<M: Message + Default>(mut received: Bytes) -> Result<M, CallError> {
    let Some(&prefix) = received.first_chunk::<PREFIX>() else {
        return Err(malformed("there is no message"));
    };
    if prefix[0] != 0 {
        return Err(malformed("it is compressed without a `grpc-encoding`"));
    }
    received.advance(PREFIX);
    if received.len() < length(prefix) {
        return Err(malformed("it is shorter than the length in its prefix"));
    }
    M::decode(received).map_err(|error| malformed(&error.to_string()))
}

/// The length in a message's prefix.
pub(super) const fn length([_, a, b, c, d]: [u8; PREFIX]) -> usize {
    u32::from_be_bytes([a, b, c, d]) as usize
}

fn malformed(detail: &str) -> CallError {
    CallError::MalformedRequest(detail.to_owned())
}

fn interrupted(error: &impl Display) -> CallError {
    CallError::MalformedRequest(format!("it was not received whole: {error}"))
}

/// A message with its prefix.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(ANSWER_CAPACITY);
    bytes.put_bytes(0, PREFIX);
    // Fails only if the buffer is full, and this one grows.
    let _encoded = message.encode(&mut bytes);
    let length = u32::try_from(bytes.len() - PREFIX).unwrap_or_default();
    if let Some([_, prefix @ ..]) = bytes.first_chunk_mut::<PREFIX>() {
        *prefix = length.to_be_bytes();
    }
    bytes.freeze()
}

/// The body of a response.
#[derive(Debug, Default)]
pub(crate) enum ResponseBody {
    /// Nothing is left: the status is in the head, or the trailers have been sent.
    #[default]
    Empty,
    /// One message, then trailers with status OK.
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
    use super::*;

    #[test]
    fn joining_many_pieces_is_linear() {
        const PIECES: usize = 100_000;
        let mut received = Received::Whole(Bytes::new());
        let mut moves = 0;
        for _ in 0..PIECES {
            let before = received.as_slice().as_ptr();
            received.append(Bytes::from_static(b"x"));
            moves += usize::from(received.as_slice().as_ptr() != before);
        }
        assert_eq!(received.into_bytes().len(), PIECES);
        assert!(moves <= 40, "the buffer was copied {moves} times");
    }

    #[tokio::test]
    async fn a_message_is_one_data_frame_and_trailers() {
        let mut body = message_response(Bytes::from_static(b"answer")).into_body();
        let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "answer");
        assert_eq!(next().await.unwrap().unwrap().into_trailers().unwrap()["grpc-status"], "0");
        assert!(next().await.is_none());
    }
}
