//! Sampling calls at a ratio, evenly.

use std::sync::atomic::{AtomicU64, Ordering};

/// 2⁶⁴ divided by the golden ratio: multiples of it, modulo 2⁶⁴, lie as evenly as can be, however many there are and whichever
/// of them are looked at. So the ratio is nearly exact, for every tenth call as well as for all.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

const ALL: f64 = 18_446_744_073_709_551_616.0;

/// Samples at a given ratio, without a random number for each call.
#[derive(Debug)]
pub(super) struct RatioSampler {
    /// Values below are sampled: 0 to 2⁶⁴.
    below: u128,
    next: AtomicU64,
}

impl RatioSampler {
    /// A ratio from 0 to 1. `seed` makes cores differ.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a ratio is 0 to 1, and the cast saturates"
    )]
    pub(super) fn new(ratio: f64, seed: u64) -> Self {
        Self { below: (ratio * ALL) as u128, next: AtomicU64::new(seed) }
    }

    /// Whether the next call is sampled.
    pub(super) fn sample(&self) -> bool {
        u128::from(self.next.fetch_add(STEP, Ordering::Relaxed)) < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: u32 = 100_000;

    fn sampled(ratio: f64, seed: u64, every: usize) -> u32 {
        let sampler = RatioSampler::new(ratio, seed);
        let calls = (0..CALLS * u32::try_from(every).unwrap()).map(|_| sampler.sample());
        calls.step_by(every).map(u32::from).sum()
    }

    #[test]
    fn the_ratio_is_exact_within_a_few_for_any_seed() {
        for ratio in [0.001, 0.01, 0.1, 0.25, 0.5, 0.999] {
            for seed in [0, 1, STEP, u64::MAX / 3, u64::MAX] {
                let expected = ratio * f64::from(CALLS);
                let sampled = f64::from(sampled(ratio, seed, 1));
                assert!((sampled - expected).abs() <= 5.0, "{ratio} from {seed}: {sampled}");
            }
        }
    }

    #[test]
    fn every_nth_call_is_sampled_at_the_same_ratio() {
        for every in [2, 3, 5, 8, 10, 13, 21] {
            let sampled = f64::from(sampled(0.1, 7, every));
            assert!((sampled - 10_000.0).abs() <= 25.0, "every {every}th: {sampled}");
        }
    }

    #[test]
    fn ratios_zero_and_one_are_exact() {
        assert_eq!(sampled(0.0, u64::MAX, 1), 0);
        assert_eq!(sampled(1.0, u64::MAX, 1), CALLS);
    }
}
