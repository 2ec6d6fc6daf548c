//! Taking a share of calls, evenly.

use std::sync::atomic::{AtomicU64, Ordering};

/// 2⁶⁴ divided by the golden ratio: multiples of it, modulo 2⁶⁴, lie as evenly as can be, however many there are and whichever
/// of them are looked at. So a share of calls is taken nearly exactly, and of every tenth call as well as of all.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

const ALL: f64 = 18_446_744_073_709_551_616.0;

/// Takes a given share of what passes, without asking for chance each time.
#[derive(Debug)]
pub(super) struct RatioSampler {
    /// What lies below is taken: 0 to 2⁶⁴.
    below: u128,
    next: AtomicU64,
}

impl RatioSampler {
    /// A share from 0 to 1. `seed` tells cores from each other.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is 0 to 1, and what is out of range becomes the nearest that is in it"
    )]
    pub(super) fn new(share: f64, seed: u64) -> Self {
        Self { below: (share * ALL) as u128, next: AtomicU64::new(seed) }
    }

    /// Whether the next one is taken.
    pub(super) fn sample(&self) -> bool {
        u128::from(self.next.fetch_add(STEP, Ordering::Relaxed)) < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: u32 = 100_000;

    fn taken(share: f64, seed: u64, every: usize) -> u32 {
        let sampler = RatioSampler::new(share, seed);
        let calls = (0..CALLS * u32::try_from(every).unwrap()).map(|_| sampler.sample());
        calls.step_by(every).map(u32::from).sum()
    }

    #[test]
    fn the_share_is_taken_within_a_few_wherever_it_begins() {
        for share in [0.001, 0.01, 0.1, 0.25, 0.5, 0.999] {
            for seed in [0, 1, STEP, u64::MAX / 3, u64::MAX] {
                let expected = share * f64::from(CALLS);
                let taken = f64::from(taken(share, seed, 1));
                assert!((taken - expected).abs() <= 5.0, "{share} from {seed}: {taken}");
            }
        }
    }

    #[test]
    fn callers_who_come_in_turns_are_taken_alike() {
        for every in [2, 3, 5, 8, 10, 13, 21] {
            let taken = f64::from(taken(0.1, 7, every));
            assert!((taken - 10_000.0).abs() <= 25.0, "every {every}th: {taken}");
        }
    }

    #[test]
    fn nobody_and_everybody_are_exact() {
        assert_eq!(taken(0.0, u64::MAX, 1), 0);
        assert_eq!(taken(1.0, u64::MAX, 1), CALLS);
    }
}
