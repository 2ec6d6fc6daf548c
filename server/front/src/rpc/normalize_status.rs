//! Better words for requests that cannot be read.

use http::Response;
use tonic::{Code, Status, body::Body};

use crate::call_error::CallError;

/// An answer has its status in the trailers; in the headers it is that of a call that failed at once.
const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";

/// tonic answers for requests that reach no service: INTERNAL for bytes that are no message, OUT_OF_RANGE for too
/// many of them, UNIMPLEMENTED for unknown calls. Those are mistakes in the request and should say so. They are
/// known by their lack of details: every status of a service carries an `ErrorInfo`.
pub(crate) fn normalize_status(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return response;
    }
    let Some(status) = Status::from_header_map(headers) else { return response };
    let said = || status.message().to_owned();
    let failure = match status.code() {
        Code::Internal => CallError::MalformedRequest(said()),
        Code::OutOfRange => CallError::MessageTooLarge(said()),
        Code::Unimplemented if status.message().is_empty() => CallError::UnknownCall,
        _ => return response,
    };
    Status::from(failure).into_http()
}
