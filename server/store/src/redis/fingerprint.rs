//! The fingerprint that represents a buyer in the store's index of buyers.

use inrush_core::sale::BuyerId;
use sha2::{Digest as _, Sha256};

/// Bytes of a fingerprint. It distinguishes only the buyers of one bucket: among ten million buyers of a sale, in 400,000
/// buckets, two collide with a probability of 10⁻¹⁶. To block a certain buyer, an attacker has to find an id with the same
/// 80 bits, and in the same bucket.
pub(super) const FINGERPRINT_BYTES: usize = 10;

/// The buyer's fingerprint. Its length does not depend on the id's.
pub(super) fn fingerprint(buyer: &BuyerId) -> [u8; FINGERPRINT_BYTES] {
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
