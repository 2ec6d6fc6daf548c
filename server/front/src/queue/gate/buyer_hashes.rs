//! A growing set of hashes with lock-free reads.
//!
//! It is a handful of sorted runs, each more than twice as long as the one after it. Adding makes a new set that shares the
//! long runs with the old one, so it is cheap for any number of hashes and does not block readers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Four bytes for every buyer ever admitted to a sale. If two buyers share a hash, one call more goes to the store.
#[derive(Default)]
pub(super) struct BuyerHashes {
    runs: Vec<Arc<Run>>,
    /// How many buyers were added, repeats included.
    len: u64,
}

impl BuyerHashes {
    /// How many buyers were added, in the order of their admission.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Whether a buyer of this hash is in the set.
    pub(super) fn contains(&self, hash: u32) -> bool {
        self.runs.iter().any(|run| run.hashes.binary_search(&hash).is_ok())
    }

    /// This set and the buyers who were admitted next. `count` is the number of hashes in memory, over all sets that share it.
    pub(super) fn with(&self, mut hashes: Vec<u32>, count: &Arc<AtomicUsize>) -> Self {
        let len = self.len + hashes.len() as u64;
        let mut runs = self.runs.clone();
        while let Some(shorter) = runs.pop_if(|run| run.hashes.len() <= 2 * hashes.len()) {
            hashes.extend_from_slice(&shorter.hashes);
        }
        hashes.sort_unstable();
        hashes.dedup();
        runs.push(Run::counted(hashes, count));
        Self { runs, len }
    }
}

/// Sorted hashes that subtract themselves from the count when they are dropped.
struct Run {
    hashes: Box<[u32]>,
    count: Arc<AtomicUsize>,
}

impl Run {
    fn counted(hashes: Vec<u32>, count: &Arc<AtomicUsize>) -> Arc<Self> {
        count.fetch_add(hashes.len(), Ordering::Relaxed);
        Arc::new(Self { hashes: hashes.into_boxed_slice(), count: Arc::clone(count) })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.count.fetch_sub(self.hashes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buyer_is_found_and_the_runs_stay_few() {
        let count = Arc::default();
        let mut buyers = BuyerHashes::default();
        // A multiplication by an odd number reaches every u32 once: well mixed, no repeats.
        let hash = |seq: u32| seq.wrapping_mul(2_654_435_769);
        for start in (0..100_000_u32).step_by(100) {
            buyers = buyers.with((start..start + 100).map(hash).collect(), &count);
        }
        assert_eq!(buyers.len(), 100_000);
        assert!((0..100_000).all(|seq| buyers.contains(hash(seq))));
        assert!((100_000..200_000).all(|seq| !buyers.contains(hash(seq))));
        assert!(buyers.runs.len() <= 11, "{} runs", buyers.runs.len());
        assert_eq!(count.load(Ordering::Relaxed), 100_000);
    }

    #[test]
    fn an_older_set_is_unchanged_and_its_hashes_are_subtracted_when_it_is_dropped() {
        let count = Arc::default();
        let older = BuyerHashes::default().with(vec![3, 1, 2], &count);
        let newer = older.with(vec![9, 1], &count);
        assert!(newer.contains(9) && newer.contains(3) && !older.contains(9));
        assert_eq!((older.len(), newer.len()), (3, 5));
        drop((older, newer));
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
