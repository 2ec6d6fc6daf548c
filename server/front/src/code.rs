//! gRPC status codes, in the words of telemetry.

use tonic::Code;

/// How many codes there are.
pub(crate) const COUNT: usize = 17;

/// All codes, in the order of their numbers.
pub(crate) fn all() -> impl Iterator<Item = Code> {
    (0..).take(COUNT).map(Code::from)
}

/// Its place among [`all`].
pub(crate) const fn index(code: Code) -> usize {
    code as usize
}

/// The name of a code, such as `DEADLINE_EXCEEDED`.
pub(crate) const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Whether a call that ended with this code failed by the server's fault. All others did what they should: they told the
/// caller something.
pub(crate) const fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_place_and_its_name() {
        for (place, code) in all().enumerate() {
            assert_eq!(index(code), place);
            let camel = format!("{code:?}").to_lowercase();
            assert_eq!(name(code).replace('_', "").to_lowercase(), camel);
        }
        assert_eq!(Code::from(17), Code::Unknown, "there is no other");
    }
}
