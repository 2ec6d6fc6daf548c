//! Signed tickets: what a buyer holds, and the keys that verify it.
//!
//! A ticket is base64url (no padding) of: format version 2, key id, 4 bytes of the buyer's hash, the epoch and seq as
//! varints, the sale's id, and the first 16 bytes of HMAC-SHA256 over all that. Checking one costs no call to the store.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::{
    sale::{BuyerId, SaleId},
    ticket::TicketId,
    varint,
};

/// Upper bound on the characters of a signed ticket; longer text is refused unread.
pub const MAX_TICKET: usize = 256;

const FORMAT: u8 = 2;
const BUYER_LENGTH: usize = 4;
const MAC_LENGTH: usize = 16;
const MIN_SECRET: usize = 32;
const MAX_KEYS: usize = 16;

/// The keys that sign and verify tickets: the first signs, all of them verify. To rotate, put a new key first, and remove the old
/// one when no ticket signed with it is needed any more.
#[derive(Clone)]
pub struct Keyring {
    // Hashing the secret into the MAC's start state is half of the price of a signature: it is done once, here.
    keys: Vec<(u8, Hmac<Sha256>)>,
}

/// Keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    /// No key at all.
    #[error("no ticket key: make one with `inrush ticket new-key` and give it to every front")]
    Empty,
    /// Too many keys.
    #[error("at most {MAX_KEYS} ticket keys can be in use: drop the oldest")]
    TooMany,
    /// A key id that appears twice.
    #[error("duplicate ticket key id {0}: every key needs an id of its own, 0 to 255")]
    Duplicate(u8),
    /// A secret that is too short.
    #[error(
        "the secret of ticket key {0} is shorter than {MIN_SECRET} bytes: make one with `inrush ticket new-key`"
    )]
    Short(u8),
    /// Text that is no key.
    #[error(
        "a ticket key is written ID:SECRET, an id of 0 to 255 and base64url of at least {MIN_SECRET} bytes"
    )]
    Malformed,
}

/// A ticket that this keyring did not sign: forged, altered, or of another cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a ticket of this cluster: present the ticket exactly as Enqueue returned it")]
pub struct InvalidTicket;

/// Some bytes of a buyer's hash in a ticket: they distinguish its buyer from nearly all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuyerTag(u32);

impl BuyerTag {
    /// The tag of `buyer`.
    #[must_use]
    pub fn of(buyer: &BuyerId) -> Self {
        Self(buyer.hash32())
    }
}

/// A ticket that this cluster has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTicket {
    /// The ticket.
    pub id: TicketId,
    /// Whose it is.
    pub buyer: BuyerTag,
}

impl Keyring {
    /// A keyring of key ids and secrets, the signing key first.
    ///
    /// # Errors
    /// [`InvalidKeyring`] names what is wrong with the keys; it never contains a secret.
    pub fn new(keys: &[(u8, Vec<u8>)]) -> Result<Self, InvalidKeyring> {
        if keys.is_empty() {
            return Err(InvalidKeyring::Empty);
        }
        if keys.len() > MAX_KEYS {
            return Err(InvalidKeyring::TooMany);
        }
        let mut ready: Vec<(u8, Hmac<Sha256>)> = Vec::with_capacity(keys.len());
        for (id, secret) in keys {
            if ready.iter().any(|(other, _)| other == id) {
                return Err(InvalidKeyring::Duplicate(*id));
            }
            if secret.len() < MIN_SECRET {
                return Err(InvalidKeyring::Short(*id));
            }
            let mac = Hmac::new_from_slice(secret).map_err(|_| InvalidKeyring::Malformed)?;
            ready.push((*id, mac));
        }
        Ok(Self { keys: ready })
    }

    /// Reads `ID:SECRET` keys separated by commas or white space, the signing key first.
    ///
    /// # Errors
    /// As [`Keyring::new`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeyring> {
        let keys = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|key| !key.is_empty())
            .map(parse_key)
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(&keys)
    }

    /// A keyring of one new random key, for a cluster within one process.
    ///
    /// # Errors
    /// Never in practice: the key it makes is valid.
    pub fn ephemeral() -> Result<Self, InvalidKeyring> {
        Self::new(&[(0, rand::random::<[u8; MIN_SECRET]>().to_vec())])
    }

    /// A new random key as `ID:SECRET` text.
    #[must_use]
    pub fn new_key(id: u8) -> String {
        format!("{id}:{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; MIN_SECRET]>()))
    }

    /// Signs a buyer's ticket.
    #[must_use]
    pub fn sign(&self, ticket: &TicketId, buyer: BuyerTag) -> String {
        // `new` refuses an empty keyring.
        let Some((id, key)) = self.keys.first() else { return String::new() };
        let mut bytes = Vec::with_capacity(2 + BUYER_LENGTH + 20 + ticket.sale.as_str().len() + MAC_LENGTH);
        bytes.extend_from_slice(&[FORMAT, *id]);
        bytes.extend_from_slice(&buyer.0.to_be_bytes());
        varint::push(&mut bytes, ticket.epoch);
        varint::push(&mut bytes, ticket.seq);
        bytes.extend_from_slice(ticket.sale.as_str().as_bytes());
        let mac = mac(key, &bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a signed ticket, in time that does not depend on how much of it is right, and reads it.
    ///
    /// # Errors
    /// [`InvalidTicket`] for anything that none of the keys signed.
    pub fn verify(&self, ticket: &str) -> Result<VerifiedTicket, InvalidTicket> {
        if ticket.len() > MAX_TICKET {
            return Err(InvalidTicket);
        }
        let bytes = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| InvalidTicket)?;
        let split = bytes.len().checked_sub(MAC_LENGTH).ok_or(InvalidTicket)?;
        let (signed, presented) = bytes.split_at_checked(split).ok_or(InvalidTicket)?;
        let [FORMAT, id, ..] = *signed else { return Err(InvalidTicket) };
        let (_, key) = self.keys.iter().find(|(other, _)| *other == id).ok_or(InvalidTicket)?;
        if !bool::from(mac(key, signed).ct_eq(presented)) {
            return Err(InvalidTicket);
        }
        read(signed.get(2..).unwrap_or_default()).ok_or(InvalidTicket)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

fn parse_key(text: &str) -> Result<(u8, Vec<u8>), InvalidKeyring> {
    let (id, secret) = text.split_once(':').ok_or(InvalidKeyring::Malformed)?;
    let id = id.parse().map_err(|_| InvalidKeyring::Malformed)?;
    let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| InvalidKeyring::Malformed)?;
    Ok((id, secret))
}

fn mac(key: &Hmac<Sha256>, bytes: &[u8]) -> [u8; MAC_LENGTH] {
    let mut mac = key.clone();
    mac.update(bytes);
    let full = mac.finalize().into_bytes();
    let mut short = [0; MAC_LENGTH];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

fn read(bytes: &[u8]) -> Option<VerifiedTicket> {
    let (buyer, rest) = bytes.split_first_chunk::<BUYER_LENGTH>()?;
    let (epoch, rest) = varint::split(rest)?;
    let (seq, sale) = varint::split(rest)?;
    let sale: SaleId = std::str::from_utf8(sale).ok()?.parse().ok()?;
    let buyer = BuyerTag(u32::from_be_bytes(*buyer));
    Some(VerifiedTicket { id: TicketId { sale, epoch, seq }, buyer })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> TicketId {
        TicketId { sale: "phone-x".parse().unwrap(), epoch: 1_763_800_000_000, seq: 123_456 }
    }

    fn tag() -> BuyerTag {
        BuyerTag::of(&"ann".parse().unwrap())
    }

    fn verified(id: TicketId) -> VerifiedTicket {
        VerifiedTicket { id, buyer: tag() }
    }

    #[test]
    fn a_signed_ticket_is_read_back() {
        let keyring = Keyring::ephemeral().unwrap();
        let signed = keyring.sign(&ticket(), tag());
        assert!(signed.len() <= MAX_TICKET);
        assert_eq!(keyring.verify(&signed), Ok(verified(ticket())));
    }

    #[test]
    fn the_longest_ticket_fits_its_bound() {
        let longest = TicketId { sale: "a".repeat(63).parse().unwrap(), epoch: u64::MAX, seq: u64::MAX };
        let keyring = Keyring::ephemeral().unwrap();
        let signed = keyring.sign(&longest, tag());
        assert!(signed.len() <= MAX_TICKET, "{}", signed.len());
        assert_eq!(keyring.verify(&signed), Ok(verified(longest)));
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let keyring = Keyring::ephemeral().unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(keyring.sign(&ticket(), tag())).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keyring.verify(&URL_SAFE_NO_PAD.encode(flipped)), Err(InvalidTicket), "bit {bit}");
        }
    }

    #[test]
    fn a_foreign_ticket_is_refused_and_a_rotated_key_still_verifies() {
        let (old, new) = ((1, vec![1; 32]), (2, vec![2; 32]));
        let before = Keyring::new(std::slice::from_ref(&old)).unwrap();
        let during = Keyring::new(&[new.clone(), old]).unwrap();
        let after = Keyring::new(&[new]).unwrap();
        let signed = before.sign(&ticket(), tag());
        assert_eq!(during.verify(&signed), Ok(verified(ticket())));
        assert_eq!(after.verify(&signed), Err(InvalidTicket));
        assert_eq!(after.verify(&during.sign(&ticket(), tag())), Ok(verified(ticket())));
        let foreign = Keyring::new(&[(2, vec![3; 32])]).unwrap();
        assert_eq!(after.verify(&foreign.sign(&ticket(), tag())), Err(InvalidTicket));
    }

    #[test]
    fn keys_are_read_as_they_are_made_and_bad_ones_are_named() {
        let text = format!("{},{}", Keyring::new_key(7), Keyring::new_key(3));
        let keyring = Keyring::parse(&text).unwrap();
        assert_eq!(format!("{keyring:?}"), "[7, 3]");
        assert_eq!(Keyring::parse("  ").unwrap_err(), InvalidKeyring::Empty);
        assert_eq!(Keyring::parse("7").unwrap_err(), InvalidKeyring::Malformed);
        assert_eq!(Keyring::parse("256:AAAA").unwrap_err(), InvalidKeyring::Malformed);
        assert_eq!(Keyring::parse("7:AAAA").unwrap_err(), InvalidKeyring::Short(7));
        let twice = format!("{} {}", Keyring::new_key(7), Keyring::new_key(7));
        assert_eq!(Keyring::parse(&twice).unwrap_err(), InvalidKeyring::Duplicate(7));
    }

    proptest! {
        #[test]
        fn any_text_verifies_or_is_an_error(text in ".{0,300}") {
            let _ = Keyring::ephemeral().unwrap().verify(&text);
        }
    }
}
