//! What a call is answered with, and sending it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body as _, Frame};
use tonic::{Code, Status, body::Body};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");

/// What a call is answered with.
pub(crate) enum Answer {
    /// One message, encoded.
    Message(Bytes),
    /// What a service of tonic's answers.
    Other(Box<Response<Body>>),
}

impl Answer {
    /// Says why there is none: the head of a response is all of it.
    pub(super) fn refuse(head: Response<()>, mut respond: SendResponse<Bytes>) {
        // An error says only that nobody listens any more.
        let _sent = respond.send_response(head, true);
    }

    /// Sends it. What cannot be sent, because the caller or the connection has gone, is not. Gives the code with which the call
    /// ended.
    pub(super) async fn send(self, respond: SendResponse<Bytes>) -> Code {
        let sent = match self {
            Self::Message(message) => send_message(message, respond).map(|()| Code::Ok),
            Self::Other(response) => Box::pin(send_response(*response, respond)).await,
        };
        // An error says only that nobody listens any more.
        sent.unwrap_or(Code::Cancelled)
    }
}

/// A message is small and goes out whole: h2 keeps it until the caller has room for it.
fn send_message(message: Bytes, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    head.headers_mut().insert(CONTENT_TYPE, GRPC);
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(message, false)?;
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, OK);
    stream.send_trailers(trailers)
}

async fn send_response(
    response: Response<Body>,
    mut respond: SendResponse<Bytes>,
) -> Result<Code, h2::Error> {
    let (head, body) = response.into_parts();
    let ends_here = body.is_end_stream();
    let code = code_in(&head.headers);
    let stream = respond.send_response(Response::from_parts(head, ()), ends_here)?;
    if ends_here { Ok(code) } else { send_body(body, stream).await }
}

/// Sends frame after frame, as fast as the caller takes them in.
async fn send_body(body: Body, mut stream: SendStream<Bytes>) -> Result<Code, h2::Error> {
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|context| next_frame(body.as_mut(), &mut stream, context)).await? {
        match frame.into_data() {
            Ok(data) => send_data(data, &mut stream).await?,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let code = code_in(&trailers);
                return stream.send_trailers(trailers).map(|()| code);
            }
        }
    }
    stream.send_data(Bytes::new(), true).map(|()| Code::Unknown)
}

/// The code of an answer, which is unknown where the answer has none.
fn code_in(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

/// The next frame of a body, unless its caller hangs up first.
fn next_frame(
    body: Pin<&mut Body>,
    stream: &mut SendStream<Bytes>,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
    if let Poll::Ready(reason) = stream.poll_reset(context) {
        return Poll::Ready(Err(reason?.into()));
    }
    body.poll_frame(context).map(|frame| frame.transpose().map_err(|_status| Reason::INTERNAL_ERROR.into()))
}

async fn send_data(mut data: Bytes, stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(room) = poll_fn(|context| stream.poll_capacity(context)).await else {
            return Err(Reason::CANCEL.into());
        };
        let part = data.split_to(room?.min(data.len()));
        stream.send_data(part, false)?;
    }
    Ok(())
}
