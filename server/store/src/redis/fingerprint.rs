//! What stands for a buyer in the store's memory of who is in line.

use inrush_core::sale::BuyerId;
use sha2::{Digest as _, Sha256};

/// Bytes of a fingerprint. Only buyers of one bucket are told apart by it: among ten million buyers of a sale, in 400,000
/// buckets, two are taken for one with a probability of 10⁻¹⁶. Whoever wants to stand in the way of a certain buyer has to
/// find an id with the same 80 bits, and in the same bucket.
pub(super) const FINGERPRINT: usize = 10;

/// The buyer's fingerprint: as short for a long id as for a short one.
pub(super) fn fingerprint(buyer: &BuyerId) -> [u8; FINGERPRINT] {
    Sha256::digest(buyer.as_str()).first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_of_a_buyer_never_changes() {
        let of = |id: &str| fingerprint(&id.parse().unwrap());
        assert_eq!(of("abc"), [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41]);
        assert_ne!(of("abc"), of("abd"));
    }
}
