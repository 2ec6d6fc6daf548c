//! gRPC status codes in telemetry.

use tonic::Code;

/// How many codes there are.
pub(crate) const COUNT: usize = 17;

/// All codes, in the order of their numbers.
pub(crate) fn all() -> impl Iterator<Item = Code> {
    (0..).take(COUNT).map(Code::from)
}

/// Its index in [`all`].
pub(crate) const fn index(code: Code) -> usize {
    code as usize
}

/// Whether the code is a server error. All others are valid answers.
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
    fn every_code_has_its_index() {
        for (position, code) in all().enumerate() {
            assert_eq!(index(code), position);
        }
        assert_eq!(Code::from(17), Code::Unknown, "there is no other");
    }
}
