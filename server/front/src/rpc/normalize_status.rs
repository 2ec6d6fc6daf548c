//! The status of requests that tonic rejects before they reach a service.

use http::Response;
use tonic::{Code, Status, body::Body};

use crate::call_error::CallError;

/// A response has its status in the trailers; in the headers it is that of a call that failed immediately.
const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";
/// The compressions that are supported, if a message had another one.
const ACCEPTED: &str = "grpc-accept-encoding";

/// tonic answers requests that reach no service with INTERNAL for bytes that do not decode, OUT_OF_RANGE for too many of
/// them, and UNIMPLEMENTED for unknown calls and for compressions. These are errors of the caller, and get the status of the
/// same error in a hot call. They have no details: every status of a service carries an `ErrorInfo`.
pub(crate) fn normalize_status(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return response;
    }
    let Some(status) = Status::from_header_map(headers) else { return response };
    let message = || status.message().to_owned();
    let failure = match status.code() {
        Code::Internal => CallError::MalformedRequest(message()),
        Code::OutOfRange => CallError::MessageTooLarge(message()),
        Code::Unimplemented if status.message().is_empty() => CallError::UnknownCall,
        Code::Unimplemented if headers.contains_key(ACCEPTED) => CallError::UnsupportedCompression(message()),
        _ => return response,
    };
    let mut normalized = Status::from(failure).into_http();
    if let Some(accepted) = headers.get(ACCEPTED) {
        normalized.headers_mut().insert(ACCEPTED, accepted.clone());
    }
    normalized
}
