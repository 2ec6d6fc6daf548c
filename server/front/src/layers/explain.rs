//! Better words for requests that cannot be read.

use http::Response;
use tonic::{Code, Status, body::Body};

use super::answer;
use crate::status::Failure;

/// tonic answers for requests that reach no service: INTERNAL for bytes that are no message, OUT_OF_RANGE for too
/// many of them, UNIMPLEMENTED for unknown calls. Those are mistakes in the request and should say so. They are
/// known by their lack of details: every status of a service carries an `ErrorInfo`.
pub(super) fn explain(response: Response<Body>) -> Response<Body> {
    // tonic leaves the status of a call that failed at once among the extensions.
    let Some(status) = response.extensions().get::<Status>() else { return response };
    if !status.details().is_empty() {
        return response;
    }
    let said = || status.message().to_owned();
    match status.code() {
        Code::Internal => answer(Failure::MalformedRequest(said())),
        Code::OutOfRange => answer(Failure::MessageTooLarge(said())),
        Code::Unimplemented if status.message().is_empty() => answer(Failure::UnknownCall),
        _ => response,
    }
}
