//! The moving block bootstrap (Künsch, 1989): resamples runs from blocks of consecutive pieces.
//!
//! A block preserves the dependence between calls, such as a pause and the calls that waited for it. The block length is
//! the cube root of the number of pieces (Hall, Horowitz and Jing, 1995).

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::pieces::{IndexedPieces, Pieces};
use crate::threshold::{Metric, Statistic};

/// Number of resampled runs: enough for the bounds of intervals with Bonferroni correction.
const REPLICATES: usize = 2_000;

/// Minimum number of pieces of a run.
pub(super) const MIN_PIECES: usize = 20;

/// The seed of the random numbers, fixed so that results are reproducible.
const SEED: u64 = 1989;

/// The values of metrics in resampled runs.
#[derive(Debug)]
pub(super) struct Replicates {
    /// For every metric, the values in both runs for each replicate.
    pairs: Vec<Vec<(f64, f64)>>,
}

impl Replicates {
    /// Resamples two runs. `None` if one of them has too few pieces.
    pub(super) fn draw(before: &Pieces, after: &Pieces, metrics: &[Metric]) -> Option<Self> {
        if before.len().min(after.len()) < MIN_PIECES {
            return None;
        }
        let mut values: Vec<u64> = before.values().chain(after.values()).collect();
        values.sort_unstable();
        values.dedup();
        let (before, after) = (before.index(&values), after.index(&values));
        let mut random = StdRng::seed_from_u64(SEED);
        let mut pairs = vec![Vec::with_capacity(REPLICATES); metrics.len()];
        for _ in 0..REPLICATES {
            let (before, after) = (draw(&before, &mut random), draw(&after, &mut random));
            for (pairs, metric) in pairs.iter_mut().zip(metrics) {
                pairs.push((before.value(*metric, &values), after.value(*metric, &values)));
            }
        }
        Some(Self { pairs })
    }

    /// The changes of the metric with index `metric` in all replicates, sorted.
    pub(super) fn changes(&self, metric: usize, change: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let pairs = self.pairs.get(metric).map(Vec::as_slice).unwrap_or_default();
        let mut changes: Vec<f64> = pairs.iter().map(|(before, after)| change(*before, *after)).collect();
        changes.sort_unstable_by(f64::total_cmp);
        changes
    }
}

/// A resampled run.
struct Resampled {
    /// Cumulative number of calls by the index of their latency.
    cumulative: Vec<u64>,
    calls: u64,
    failed: u64,
    seconds: f64,
}

fn draw(indexed: &IndexedPieces, random: &mut StdRng) -> Resampled {
    let length = block_length(indexed.pieces.len());
    let blocks = indexed.pieces.len().div_ceil(length);
    let mut counts = vec![0; indexed.values];
    let mut failed = 0;
    for _ in 0..blocks {
        let first = random.random_range(0..=indexed.pieces.len() - length);
        for piece in indexed.pieces.iter().skip(first).take(length) {
            failed += piece.failed;
            for (index, count) in &piece.latencies {
                if let Some(calls) = counts.get_mut(*index) {
                    *calls += count;
                }
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few pieces")]
    let seconds = (blocks * length) as f64 * indexed.width.as_secs_f64();
    let mut calls = 0;
    for count in &mut counts {
        calls += *count;
        *count = calls;
    }
    Resampled { cumulative: counts, calls, failed, seconds }
}

/// The cube root of the number of pieces.
fn block_length(pieces: usize) -> usize {
    (1..=pieces).find(|length| length.pow(3) >= pieces).unwrap_or(1)
}

impl Resampled {
    #[expect(clippy::cast_precision_loss, reason = "a replicate is an estimate")]
    fn value(&self, metric: Metric, values: &[u64]) -> f64 {
        let calls = self.calls.max(1) as f64;
        match metric {
            Metric::Rate => self.calls as f64 / self.seconds,
            Metric::Errors => self.failed as f64 / calls,
            Metric::Latency(_, Statistic::Mean) => self.sum(values) / calls / 1e6,
            Metric::Latency(_, Statistic::Quantile(quantile)) => self.quantile(quantile, values) as f64 / 1e6,
            // Resampling has no confidence interval for a single call, and pieces do not have the other metrics.
            Metric::Latency(_, Statistic::Min | Statistic::Max)
            | Metric::Count
            | Metric::Late
            | Metric::Unsent
            | Metric::Code(_) => f64::NAN,
        }
    }

    /// The sum of all latencies.
    #[expect(clippy::cast_precision_loss, reason = "a replicate is an estimate")]
    fn sum(&self, values: &[u64]) -> f64 {
        let previous = std::iter::once(&0).chain(&self.cumulative);
        let counts = self.cumulative.iter().zip(previous).map(|(count, previous)| count - previous);
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
        let index = self.cumulative.partition_point(|count| *count < rank);
        values.get(index).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_length_is_the_cube_root_of_the_number_of_pieces() {
        assert_eq!([20, 27, 28, 240, 600].map(block_length), [3, 3, 4, 7, 9]);
    }

    #[test]
    fn quantiles_and_sums_count_calls() {
        let run = Resampled { cumulative: vec![90, 99, 100], calls: 100, failed: 0, seconds: 1.0 };
        let values = [10, 20, 30];
        assert_eq!(run.quantile(0.9, &values), 10);
        assert_eq!(run.quantile(0.91, &values), 20);
        assert_eq!(run.quantile(0.99, &values), 20);
        assert_eq!(run.quantile(1.0, &values), 30);
        assert!((run.sum(&values) - 1_110.0).abs() < 1e-9);
    }
}
