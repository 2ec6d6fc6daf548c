//! Base-128 varints, as protobuf has them.

/// Bytes of the longest varint of 64 bits.
const MAX_LENGTH: usize = 10;

/// Appends a varint.
pub(crate) fn push(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

/// Splits a varint off the front. `None` if there is none, or it is longer than 64 bits.
pub(crate) fn split(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(MAX_LENGTH) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_read_back(value in any::<u64>(), rest in proptest::collection::vec(any::<u8>(), 0..4)) {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            bytes.extend_from_slice(&rest);
            prop_assert_eq!(split(&bytes), Some((value, rest.as_slice())));
        }
    }

    #[test]
    fn an_unfinished_varint_is_none() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[0x80]), None);
        assert_eq!(split(&[0xff; 11]), None);
    }
}
