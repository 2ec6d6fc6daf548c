//! The moving block bootstrap (Künsch, 1989): runs that might as well have happened, made of blocks of the one that did.
//!
//! A block keeps together what belongs together, such as a pause and the calls that waited for it. Blocks of n pieces
//! have the cube root of n pieces each (Hall, Horowitz and Jing, 1995).

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::pieces::{Piece, Pieces, Placed};
use crate::threshold::{Figure, Statistic};

/// How many runs are made: enough for the ends of intervals that hold together with many others.
const REPLICATES: usize = 2_000;

/// Fewer pieces than this say too little about how a run varies.
pub(super) const FEWEST_PIECES: usize = 20;

/// Where the random numbers begin: always the same, so that the answer is.
const SEED: u64 = 1989;

/// Values of figures in runs that might as well have happened.
#[derive(Debug)]
pub(super) struct Replicates {
    /// For every figure, one pair of values of the two runs for each replicate.
    pairs: Vec<Vec<(f64, f64)>>,
}

impl Replicates {
    /// Draws runs from the pieces of two; none if one of them has too few.
    pub(super) fn draw(before: &Pieces, after: &Pieces, figures: &[Figure]) -> Option<Self> {
        if before.len().min(after.len()) < FEWEST_PIECES {
            return None;
        }
        let mut values: Vec<u64> = before.values().chain(after.values()).collect();
        values.sort_unstable();
        values.dedup();
        let (before, after) = (before.placed(&values), after.placed(&values));
        let mut random = StdRng::seed_from_u64(SEED);
        let mut pairs = vec![Vec::with_capacity(REPLICATES); figures.len()];
        for _ in 0..REPLICATES {
            let (before, after) = (draw(&before, &mut random), draw(&after, &mut random));
            for (pairs, figure) in pairs.iter_mut().zip(figures) {
                pairs.push((before.value(*figure, &values), after.value(*figure, &values)));
            }
        }
        Some(Self { pairs })
    }

    /// What `change` says of each pair of the values of figure number `figure`, in order.
    pub(super) fn changes(&self, figure: usize, change: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let pairs = self.pairs.get(figure).map(Vec::as_slice).unwrap_or_default();
        let mut changes: Vec<f64> = pairs.iter().map(|(before, after)| change(*before, *after)).collect();
        changes.sort_unstable_by(f64::total_cmp);
        changes
    }
}

/// A run that might as well have happened.
struct Drawn {
    /// How many calls had this latency or a lower one, by the place of the latency.
    up_to: Vec<u64>,
    calls: u64,
    failed: u64,
    seconds: f64,
}

fn draw(placed: &Placed, random: &mut StdRng) -> Drawn {
    let length = block_length(placed.pieces.len());
    let blocks = placed.pieces.len().div_ceil(length);
    let mut counts = vec![0; placed.values];
    let mut failed = 0;
    for _ in 0..blocks {
        let first = random.random_range(0..=placed.pieces.len() - length);
        for Piece { failed: more, latencies } in placed.pieces.iter().skip(first).take(length) {
            failed += more;
            for (place, count) in latencies {
                if let Some(calls) = counts.get_mut(*place) {
                    *calls += count;
                }
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few pieces")]
    let seconds = (blocks * length) as f64 * placed.width.as_secs_f64();
    let mut calls = 0;
    for count in &mut counts {
        calls += *count;
        *count = calls;
    }
    Drawn { up_to: counts, calls, failed, seconds }
}

/// The cube root of how many pieces there are.
fn block_length(pieces: usize) -> usize {
    (1..=pieces).find(|length| length.pow(3) >= pieces).unwrap_or(1)
}

impl Drawn {
    #[expect(clippy::cast_precision_loss, reason = "a replicate is an estimate")]
    fn value(&self, figure: Figure, values: &[u64]) -> f64 {
        let calls = self.calls.max(1) as f64;
        match figure {
            Figure::Rate => self.calls as f64 / self.seconds,
            Figure::Errors => self.failed as f64 / calls,
            Figure::Latency(_, Statistic::Mean) => self.sum(values) / calls / 1e6,
            Figure::Latency(_, Statistic::Quantile(quantile)) => self.quantile(quantile, values) as f64 / 1e6,
            // Resampling says nothing about a single call, nor about what pieces do not hold.
            Figure::Latency(_, Statistic::Least | Statistic::Greatest)
            | Figure::Count
            | Figure::Late
            | Figure::Unsent
            | Figure::Code(_) => f64::NAN,
        }
    }

    /// All latencies added up.
    #[expect(clippy::cast_precision_loss, reason = "a replicate is an estimate")]
    fn sum(&self, values: &[u64]) -> f64 {
        let before = std::iter::once(&0).chain(&self.up_to);
        let counts = self.up_to.iter().zip(before).map(|(up_to, before)| up_to - before);
        values.iter().zip(counts).map(|(value, count)| *value as f64 * count as f64).sum()
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a replicate is an estimate"
    )]
    fn quantile(&self, quantile: f64, values: &[u64]) -> u64 {
        let rank = (quantile * self.calls as f64).ceil().max(1.0) as u64;
        let place = self.up_to.partition_point(|up_to| *up_to < rank);
        values.get(place).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_cube_root_of_the_run() {
        assert_eq!([20, 27, 28, 240, 600].map(block_length), [3, 3, 4, 7, 9]);
    }

    #[test]
    fn quantiles_count_calls() {
        let drawn = Drawn { up_to: vec![90, 99, 100], calls: 100, failed: 0, seconds: 1.0 };
        let values = [10, 20, 30];
        assert_eq!(drawn.quantile(0.9, &values), 10);
        assert_eq!(drawn.quantile(0.91, &values), 20);
        assert_eq!(drawn.quantile(0.99, &values), 20);
        assert_eq!(drawn.quantile(1.0, &values), 30);
        assert!((drawn.sum(&values) - 1_110.0).abs() < 1e-9);
    }
}
