//! The creation time of a sale in messages.

use prost_types::Timestamp;

const MILLIS_PER_SECOND: u64 = 1_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// Up to the end of the year 9999, as protobuf allows.
const MAX_SECONDS: u64 = 253_402_300_799;

/// In milliseconds since 1970-01-01 UTC; 0 if it is absent, `None` if it is out of range.
pub(crate) fn read(time: Option<Timestamp>) -> Option<u64> {
    let Some(Timestamp { seconds, nanos }) = time else { return Some(0) };
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= MAX_SECONDS)?;
    let millis = u64::try_from(nanos).ok()? / NANOS_PER_MILLI;
    (millis < MILLIS_PER_SECOND).then_some(seconds * MILLIS_PER_SECOND + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_time_is_read_in_milliseconds() {
        let read = |seconds, nanos| read(Some(Timestamp { seconds, nanos }));
        assert_eq!(read(1_700_000_000, 123_456_789), Some(1_700_000_000_123));
        assert_eq!(super::read(None), Some(0));
        assert_eq!([read(-1, 0), read(0, -1), read(0, 1_000_000_000), read(i64::MAX, 0)], [None; 4]);
    }
}
