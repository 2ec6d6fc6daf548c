//! The names of all keys and channels, and the fingerprint that is a buyer's field in its key.
//!
//! The keys of a sale share its hash tag, so Redis Cluster stores them on one node and a script can touch them all.

use std::{fmt, ops::RangeInclusive};

use inrush_core::{
    epochs::SEGMENT,
    sale::{BuyerId, SaleId},
    ticket::Seq,
};
use redis::{RedisWrite, ToRedisArgs};
use sha2::{Digest as _, Sha256};

/// Buyers in one page of the log of admitted buyers; `lua/include/admitted_log.lua` has the same constant. With what Redis adds to a
/// string, a full page just fits 64 KiB, a size that its allocator has.
pub(super) const BUYERS_PER_PAGE: u64 = 16_380;

/// Outcomes in one hash: few enough for Redis's compact form.
pub(super) const OUTCOMES_PER_BUCKET: u64 = 64;

/// Buyers in one hash when a sale is at its cap. Redis searches a small hash from front to back, twice for
/// every new buyer: at 64 an admission costs a third more once they are full. Fewer share what a key costs: 80 bytes.
const BUYERS_PER_BUCKET: u64 = 24;

const MIN_BUCKETS: u64 = 16;
const MAX_BUCKETS: u64 = 1 << 20;

/// All sales, a sorted set in the order of their ids.
pub(super) const REGISTRY: &str = "inrush:sales";

/// Where scripts announce that a sale has something to claim; `lua/include/announce.lua` names it too.
pub(super) const WORK_CHANNEL: &str = "inrush:work";

/// Where scripts announce that a sale may admit buyers; `lua/include/announce.lua` names it too.
pub(super) const ADMISSION_CHANNEL: &str = "inrush:admission";

/// The segment that `seq` waits in.
pub(super) const fn segment_of(seq: Seq) -> u64 {
    seq.saturating_sub(1) / SEGMENT
}

/// The page that logs a buyer, who is counted from 1 in the order of admission.
pub(super) const fn page_of(buyer: u64) -> u64 {
    buyer.saturating_sub(1) / BUYERS_PER_PAGE
}

/// The bucket that the outcome of `seq` is in.
pub(super) const fn outcomes_bucket_of(seq: Seq) -> u64 {
    seq / OUTCOMES_PER_BUCKET
}

/// How many hashes the buyers of a new sale are spread over. It never changes for a sale.
pub(super) fn buckets_for(cap: u64) -> u64 {
    cap.div_ceil(BUYERS_PER_BUCKET).clamp(MIN_BUCKETS, MAX_BUCKETS)
}

/// Bytes of a fingerprint. It distinguishes only the buyers of one bucket: among ten million buyers of a sale, in 400,000
/// buckets, two collide with a probability of 10⁻¹⁶. To block a certain buyer, an attacker has to find an id with the same
/// 80 bits, and in the same bucket.
pub(super) const FINGERPRINT_BYTES: usize = 10;

/// The buyer's fingerprint. Its length does not depend on the id's.
pub(super) fn fingerprint(buyer: &BuyerId) -> [u8; FINGERPRINT_BYTES] {
    Sha256::digest(buyer.as_str()).first_chunk().copied().unwrap_or_default()
}

/// The names of one sale's keys.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a>(pub(super) &'a SaleId);

/// The name of one key.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    sale: &'a SaleId,
    part: &'static str,
    index: Option<u64>,
}

impl<'a> Keys<'a> {
    /// String: settings, counters, ledger.
    pub(super) const fn sale(self) -> Key<'a> {
        self.one("sale")
    }

    /// String: exists for some milliseconds after this server was found to have the sale's history; local to the server.
    pub(super) const fn marker(self) -> Key<'a> {
        self.one("marker")
    }

    /// String: what determines the keys left of a deleted sale.
    pub(super) const fn tombstone(self) -> Key<'a> {
        self.one("tombstone")
    }

    /// List: encoded entries of a segment, from the cursor on.
    pub(super) const fn queue(self, segment: u64) -> Key<'a> {
        self.many("queue", segment)
    }

    /// Hash: fingerprint of the buyer → seq. `hash` is the buyer's.
    pub(super) fn buyers_of(self, hash: u32, buckets: u64) -> Key<'a> {
        self.buyers(u64::from(hash) % buckets.max(1))
    }

    /// Hash: fingerprint of the buyer → seq, by bucket.
    pub(super) const fn buyers(self, bucket: u64) -> Key<'a> {
        self.many("buyers", bucket)
    }

    /// String: 4 bytes of hash for each buyer of a page.
    pub(super) const fn admitted(self, page: u64) -> Key<'a> {
        self.many("admitted", page)
    }

    /// Bitmap: cancelled seqs of a segment.
    pub(super) const fn cancelled(self, segment: u64) -> Key<'a> {
        self.many("cancelled", segment)
    }

    /// Bitmap: restored seqs of a segment.
    pub(super) const fn restored(self, segment: u64) -> Key<'a> {
        self.many("restored", segment)
    }

    /// Sorted set: segments whose queue has restored tickets.
    pub(super) const fn restored_segments(self) -> Key<'a> {
        self.one("restored_segments")
    }

    /// Hash: Fenwick tree of cancelled seqs by segment.
    pub(super) const fn cancel_tree(self) -> Key<'a> {
        self.one("cancel_tree")
    }

    /// Hash: epoch and seq of a ticket that the store has lost → the outcome that the order system had.
    pub(super) const fn adopted(self) -> Key<'a> {
        self.one("adopted")
    }

    /// Hash: fence → block of the tickets that one claim took from the queue.
    pub(super) const fn claims(self) -> Key<'a> {
        self.one("claims")
    }

    /// Hash: seq → record of a claimed ticket that is in no block.
    pub(super) const fn claimed(self) -> Key<'a> {
        self.one("claimed")
    }

    /// Sorted set: blocks, and claimed seqs that are in none, by the end of their lease.
    pub(super) const fn leases(self) -> Key<'a> {
        self.one("leases")
    }

    /// Sorted set: seqs by when their retry is due.
    pub(super) const fn retries(self) -> Key<'a> {
        self.one("retries")
    }

    /// Sorted set: dead seqs in order.
    pub(super) const fn dead(self) -> Key<'a> {
        self.one("dead")
    }

    /// Hash: dead seq → why its last attempt failed.
    pub(super) const fn reasons(self) -> Key<'a> {
        self.one("reasons")
    }

    /// Hash: seq → outcome, for the bucket of `seq`.
    pub(super) const fn outcomes_of(self, seq: Seq) -> Key<'a> {
        self.many("outcomes", outcomes_bucket_of(seq))
    }

    /// Every key that a sale may have, but for its own and its tombstone: with `buckets` buyers' buckets, so many `admitted`
    /// buyers, and tickets with these seqs.
    pub(super) fn all(
        self,
        buckets: u64,
        admitted: u64,
        seqs: &[RangeInclusive<Seq>],
    ) -> impl Iterator<Item = Key<'a>> {
        let single = [
            self.cancel_tree(),
            self.claims(),
            self.claimed(),
            self.leases(),
            self.retries(),
            self.dead(),
            self.reasons(),
            self.adopted(),
            self.restored_segments(),
            self.marker(),
        ];
        let segments = seqs
            .iter()
            .flat_map(|seqs| segment_of(*seqs.start())..=segment_of(*seqs.end()))
            .flat_map(move |segment| [self.queue(segment), self.cancelled(segment), self.restored(segment)]);
        let pages = (0..=page_of(admitted)).map(move |page| self.admitted(page));
        let outcomes = seqs
            .iter()
            .flat_map(|seqs| outcomes_bucket_of(*seqs.start())..=outcomes_bucket_of(*seqs.end()))
            .map(move |bucket| self.many("outcomes", bucket));
        let buyers = (0..buckets).map(move |bucket| self.buyers(bucket));
        single.into_iter().chain(segments).chain(pages).chain(outcomes).chain(buyers)
    }

    const fn one(self, part: &'static str) -> Key<'a> {
        Key { sale: self.0, part, index: None }
    }

    const fn many(self, part: &'static str, index: u64) -> Key<'a> {
        Key { sale: self.0, part, index: Some(index) }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inrush:{{{}}}:{}", self.sale, self.part)?;
        self.index.map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

impl ToRedisArgs for Key<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(self);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use inrush_core::epochs::SET_ASIDE;

    use super::*;

    #[test]
    fn keys_carry_the_sale_as_hash_tag() {
        let sale: SaleId = "phone-x".parse().unwrap();
        let keys = Keys(&sale);
        assert_eq!(keys.sale().to_string(), "inrush:{phone-x}:sale");
        assert_eq!(keys.queue(segment_of(4097)).to_string(), "inrush:{phone-x}:queue:1");
        assert_eq!(keys.buyers_of(35, 16).to_string(), "inrush:{phone-x}:buyers:3");
        assert_eq!(keys.outcomes_of(64).to_string(), "inrush:{phone-x}:outcomes:1");
    }

    #[test]
    fn segments_and_pages_start_at_the_seq_after_a_full_one() {
        assert_eq!([1, 4096, 4097].map(segment_of), [0, 0, 1]);
        assert_eq!([1, 16_380, 16_381].map(page_of), [0, 0, 1]);
    }

    #[test]
    fn buckets_grow_with_the_cap_between_bounds() {
        assert_eq!([1, 800, 1_000_000, u64::MAX / 2].map(buckets_for), [16, 34, 41_667, 1 << 20]);
    }

    #[test]
    fn all_keys_are_named_once() {
        let sale: SaleId = "s".parse().unwrap();
        let all: Vec<String> =
            Keys(&sale).all(16, 70_000, &[1..=70_000]).map(|key| key.to_string()).collect();
        let distinct: HashSet<&String> = all.iter().collect();
        assert_eq!(all.len(), distinct.len());
        assert_eq!(all.len(), 10 + 3 * 18 + 5 + 1094 + 16);
    }

    #[test]
    fn scripts_have_the_same_constants_and_channels() {
        let queue = include_str!("lua/include/queue.lua");
        assert!(queue.contains(&format!("local SEGMENT = {SEGMENT}\n")));
        let log = include_str!("lua/include/admitted_log.lua");
        let admit = include_str!("lua/admit.lua");
        assert!(log.contains(&format!("local BUYERS_PER_PAGE = {BUYERS_PER_PAGE}\n")));
        assert!(admit.contains(&format!("local MAX_SEQ = {}\n", inrush_core::ticket::MAX_SEQ)));
        let renew = include_str!("lua/renew.lua");
        assert!(renew.contains(&format!("local SET_ASIDE = {SET_ASIDE}\n")));
        assert!(renew.contains(&format!("local MAX_SEQ = {}\n", inrush_core::ticket::MAX_SEQ)));
        let announce = include_str!("lua/include/announce.lua");
        assert!(
            announce.contains(&format!("'{WORK_CHANNEL}'"))
                && announce.contains(&format!("'{ADMISSION_CHANNEL}'"))
        );
    }

    #[test]
    fn the_fingerprint_of_a_buyer_never_changes() {
        let of = |id: &str| fingerprint(&id.parse().unwrap());
        assert_eq!(of("abc"), [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41]);
        assert_ne!(of("abc"), of("abd"));
    }
}
