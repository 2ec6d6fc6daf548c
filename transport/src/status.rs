//! The status of a call: from trailers, or from a broken stream.

use std::fmt::Display;

use h2::Reason;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::{answer::Answer, code::Code, frames::FrameError};

/// The trailer, or header of a response without messages, that holds the status code.
pub(super) const GRPC_STATUS: &str = "grpc-status";

const GRPC_MESSAGE: &str = "grpc-message";

/// The answer, if it is an HTTP error instead of gRPC.
pub(super) fn not_grpc<B>(response: &Response<B>) -> Option<Answer> {
    let status = response.status();
    (status != StatusCode::OK).then(|| {
        let text = format!("unexpected HTTP status code received from server: {status}");
        Answer::failed(Code::from_http(status), text)
    })
}

/// The answer of a Trailers-Only response, which has the status in its headers and no message.
pub(super) fn trailers_only<B>(response: &Response<B>) -> Option<Answer> {
    response.headers().contains_key(GRPC_STATUS).then(|| status(response.headers()))
}

/// The answer in trailers.
pub(super) fn status(trailers: &HeaderMap) -> Answer {
    let Some(code) = trailers.get(GRPC_STATUS) else {
        return Answer::failed(Code::Internal, "server closed the stream without sending trailers");
    };
    match Code::from_header(code.as_bytes()) {
        Code::Ok => Answer::ok(),
        code => {
            let message = trailers.get(GRPC_MESSAGE).map(HeaderValue::as_bytes).unwrap_or_default();
            Answer::failed(code, percent_decoded(message))
        }
    }
}

/// The text of a `grpc-message` header. Invalid escapes are kept as they are.
fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let byte = match tail {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The answer for a call that has no connection.
pub(super) fn no_connection(why: impl Display) -> Answer {
    Answer::failed(Code::Unavailable, format!("connection error: desc = {why}"))
}

/// The answer for a stream that broke, with the codes of gRPC's mapping from HTTP/2.
pub(super) fn broken(error: &h2::Error) -> Answer {
    let code = match error.reason() {
        Some(Reason::CANCEL) => Code::Canceled,
        Some(Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(Reason::REFUSED_STREAM) | None => Code::Unavailable,
        Some(_) if error.is_go_away() => Code::Unavailable,
        Some(_) => Code::Internal,
    };
    Answer::failed(code, error.to_string())
}

/// The answer for an invalid stream of messages.
pub(super) fn malformed(error: &FrameError) -> Answer {
    match error {
        FrameError::TooLong { length, limit } => Answer::failed(
            Code::ResourceExhausted,
            format!("received message larger than max ({length} vs. {limit})"),
        ),
        FrameError::Cut => Answer::failed(Code::Internal, "the server's last message is cut off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_messages_are_decoded() {
        assert_eq!(percent_decoded(b"caf%C3%A9 100%"), "café 100%");
        assert_eq!(percent_decoded(b"%zz%4"), "%zz%4");
        assert_eq!(percent_decoded(b"%2"), "%2");
        assert_eq!(percent_decoded(b""), "");
    }
}
