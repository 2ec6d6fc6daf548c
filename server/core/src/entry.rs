//! A queue entry: a ticket's buyer, units and payload, and its compact form in the store.

use std::str;

use crate::{sale::BuyerId, ticket::Seq, varint};

/// Upper bound on the bytes of an entry's payload.
pub const MAX_PAYLOAD: usize = 4096;

/// Upper bound on the bytes of an entry's binary trace context.
pub const MAX_TRACE: usize = 64;

/// The first byte of a stored entry that has more than a buyer.
const FULL_FORM: u8 = 0;

/// A queued ticket with everything that the order system needs. Its seq follows from its index in the queue and is not
/// stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The buyer.
    pub buyer: BuyerId,
    /// How many, all or nothing.
    pub units: u64,
    /// Passed to the order system unchanged.
    pub payload: Vec<u8>,
    /// W3C trace context in binary; empty when the Enqueue was not sampled.
    pub trace: Vec<u8>,
}

/// Stored bytes that are not an entry: a defect, or a foreign key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are not an entry")]
pub struct InvalidEntry;

impl Entry {
    /// The stored form. One unit with neither trace context nor payload, as most are: the buyer's id and nothing else.
    /// Any other: a zero byte, which no id begins with, then the units as a base-128 varint (little end first, so the
    /// scripts can read it), the buyer and the trace context each with a length byte, then the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let buyer = self.buyer.as_str().as_bytes();
        if self.units == 1 && self.trace.is_empty() && self.payload.is_empty() {
            return buyer.to_vec();
        }
        let trace = self.trace.get(..MAX_TRACE).unwrap_or(&self.trace);
        let mut bytes = Vec::with_capacity(5 + buyer.len() + trace.len() + self.payload.len());
        bytes.push(FULL_FORM);
        varint::push(&mut bytes, self.units);
        push_short(&mut bytes, buyer);
        push_short(&mut bytes, trace);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`InvalidEntry`] when the bytes were not written by [`Entry::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidEntry> {
        let Some((&FULL_FORM, rest)) = bytes.split_first() else {
            return Ok(Self { buyer: read_buyer(bytes)?, units: 1, payload: Vec::new(), trace: Vec::new() });
        };
        let (units, rest) = varint::split(rest).ok_or(InvalidEntry)?;
        let (buyer, rest) = split_short(rest).ok_or(InvalidEntry)?;
        let (trace, payload) = split_short(rest).ok_or(InvalidEntry)?;
        Ok(Self { buyer: read_buyer(buyer)?, units, payload: payload.to_vec(), trace: trace.to_vec() })
    }
}

fn read_buyer(bytes: &[u8]) -> Result<BuyerId, InvalidEntry> {
    let text = str::from_utf8(bytes).map_err(|_| InvalidEntry)?;
    text.parse().map_err(|_| InvalidEntry)
}

/// An entry that fulfilment has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedEntry {
    /// Its seq.
    pub seq: Seq,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The entry.
    pub entry: Entry,
}

/// Buyers are at most 128 bytes and trace contexts at most [`MAX_TRACE`], so a length fits one byte.
fn push_short(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(part);
}

fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_encoded_entry_decodes_to_itself(
            buyer in "[a-z0-9é]{1,40}",
            units in prop_oneof![Just(1_u64), 1_u64..1_000_000_000],
            payload in prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 0..200)],
            trace in prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 0..MAX_TRACE)],
        ) {
            let entry = Entry { buyer: buyer.parse().unwrap(), units, payload, trace };
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }

        #[test]
        fn any_bytes_decode_to_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Entry::decode(&bytes);
        }
    }

    #[test]
    fn an_entry_of_one_unit_without_payload_is_encoded_as_its_buyer() {
        let one = Entry {
            buyer: "0123456789abcdef".parse().unwrap(),
            units: 1,
            payload: Vec::new(),
            trace: Vec::new(),
        };
        assert_eq!(one.encode(), b"0123456789abcdef");
        assert_eq!(Entry { units: 2, ..one }.encode(), b"\0\x02\x100123456789abcdef\0");
    }
}
