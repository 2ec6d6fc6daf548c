//! The comparison of two runs.

use serde::Serialize;

use super::{
    bootstrap::{MIN_PIECES, Replicates},
    metrics::metrics,
    run::{Run, RunKind},
};
use crate::threshold::{Kind, Metric, Statistic};

/// Relative changes of latencies below this are within the resolution of a timeline.
const LATENCY_RESOLUTION: f64 = 0.01;

/// Relative changes of rates below this are within the precision of the length of a run.
const RATE_RESOLUTION: f64 = 0.001;

/// Minimum number of pieces of each run with calls above a percentile, for the percentile to be judged. If all calls above
/// it were in one pause, they are a single event.
const MIN_EXCEEDING_PIECES: usize = 5;

/// The comparison of two runs.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The probability, from 0 to 1, that all intervals together hold.
    pub confidence: f64,
    /// Reasons not to trust the comparison.
    pub warnings: Vec<String>,
    /// One row per metric.
    pub rows: Vec<Row>,
}

/// The comparison of one metric.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The name of the metric, as in thresholds.
    pub name: String,
    #[serde(skip)]
    pub(super) metric: Metric,
    /// Its value in the first run: seconds, calls per second, or a share from 0 to 1.
    pub before: Option<f64>,
    /// Its value in the second run.
    pub after: Option<f64>,
    /// The relative change. `None` if the first value is 0.
    pub change: Option<f64>,
    /// The confidence interval of the change; for errors, of the difference of the shares.
    pub interval: Option<Interval>,
    /// The verdict.
    pub verdict: Conclusion,
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The verdict on a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Significantly lower in the second run.
    Lower,
    /// Significantly higher in the second run.
    Higher,
    /// No significant difference.
    NoDifference,
    /// A run is too short for a verdict.
    TooShort,
    /// Calls exceed this percentile in too few pieces.
    TooRare,
    /// The metric is that of a single call, which has no confidence interval.
    SingleCall,
    /// There are no calls.
    Missing,
}

/// Compares two runs. All intervals together hold with the given confidence (Bonferroni correction).
pub fn compare(before: &Run, after: &Run, confidence: f64) -> Comparison {
    let metrics = metrics();
    let of: Vec<Metric> = metrics.iter().map(|(_, metric)| *metric).collect();
    let replicates = Replicates::draw(&before.pieces, &after.pieces, &of);
    let judged =
        of.iter().filter(|metric| reason_not_judged(**metric, before, after).is_none()).count().max(1);
    #[expect(clippy::cast_precision_loss, reason = "there are few metrics")]
    let miss = (1.0 - confidence) / judged as f64;
    let row = |(index, (name, metric)): (usize, (String, Metric))| {
        let (old, new) = (before.value(metric), after.value(metric));
        let reason_not_judged = reason_not_judged(metric, before, after);
        let interval = match (&replicates, reason_not_judged) {
            (Some(replicates), None) => interval(&replicates.changes(index, change_of(metric)), miss),
            _ => None,
        };
        let verdict = reason_not_judged
            .unwrap_or_else(|| interval.map_or(Conclusion::TooShort, |interval| judge(metric, interval)));
        let change = old.zip(new).filter(|(old, _)| *old > 0.0).map(|(old, new)| relative(old, new));
        Row { name, metric, before: old, after: new, change, interval, verdict }
    };
    let rows = metrics.into_iter().enumerate().map(row).collect();
    Comparison { confidence, warnings: warnings(before, after, replicates.is_some()), rows }
}

/// The reason why a metric is not judged, apart from the length of the runs.
fn reason_not_judged(metric: Metric, before: &Run, after: &Run) -> Option<Conclusion> {
    match metric {
        _ if before.count == 0 || after.count == 0 => Some(Conclusion::Missing),
        Metric::Latency(_, Statistic::Max | Statistic::Min) => Some(Conclusion::SingleCall),
        Metric::Latency(_, Statistic::Quantile(quantile)) => {
            let pieces = before.pieces_above(quantile).min(after.pieces_above(quantile));
            (pieces < MIN_EXCEEDING_PIECES).then_some(Conclusion::TooRare)
        }
        Metric::Latency(_, Statistic::Mean)
        | Metric::Rate
        | Metric::Count
        | Metric::Errors
        | Metric::Late
        | Metric::Unsent
        | Metric::Code(_) => None,
    }
}

/// How the change of a metric is computed: for errors, whose share may be 0, as a difference.
fn change_of(metric: Metric) -> fn(f64, f64) -> f64 {
    if metric == Metric::Errors { |before, after| after - before } else { relative }
}

fn relative(before: f64, after: f64) -> f64 {
    if before > 0.0 { after / before - 1.0 } else { 0.0 }
}

/// The central interval of all changes that excludes the share `miss`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index among a few thousand"
)]
fn interval(changes: &[f64], miss: f64) -> Option<Interval> {
    let last = changes.len().checked_sub(1)?;
    let outside = (changes.len() as f64 * miss / 2.0).floor() as usize;
    Some(Interval { low: *changes.get(outside)?, high: *changes.get(last.checked_sub(outside)?)? })
}

fn judge(metric: Metric, interval: Interval) -> Conclusion {
    let resolution = match metric.kind() {
        Kind::Latency => LATENCY_RESOLUTION,
        Kind::Rate => RATE_RESOLUTION,
        Kind::Calls => 0.0,
    };
    match interval {
        Interval { low, .. } if low > resolution => Conclusion::Higher,
        Interval { high, .. } if high < -resolution => Conclusion::Lower,
        _ => Conclusion::NoDifference,
    }
}

fn warnings(before: &Run, after: &Run, long_enough: bool) -> Vec<String> {
    let RunKind { call, open_loop } = &before.kind;
    let mut warnings = Vec::new();
    if *call != after.kind.call {
        warnings.push(format!("the runs called different methods: {call} and {}", after.kind.call));
    }
    if let (Some(before), Some(after)) = (open_loop, after.kind.open_loop)
        && *before != after
    {
        warnings.push(
            "one run is an open loop and the other a closed one: their latencies are not comparable"
                .to_owned(),
        );
    }
    if before.failed + after.failed > 0 {
        warnings.push("calls failed; these latencies include failed calls".to_owned());
    }
    if !long_enough {
        warnings.push(format!(
            "a run is too short for confidence intervals: at least {MIN_PIECES} intervals of its timeline after the \
             warm-up are required, which take 5 s"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::fixture;

    fn verdicts(before: &Run, after: &Run) -> Vec<(String, Conclusion)> {
        compare(before, after, 0.95).rows.into_iter().map(|row| (row.name, row.verdict)).collect()
    }

    fn verdict(of: &str, verdicts: &[(String, Conclusion)]) -> Conclusion {
        verdicts.iter().find(|(name, _)| name == of).unwrap().1
    }

    #[test]
    fn equal_runs_show_no_difference() {
        for seed in [10, 20, 30, 40] {
            let found = verdicts(&fixture::run(seed, 1.0), &fixture::run(seed + 1, 1.0));
            let shown = [Conclusion::Higher, Conclusion::Lower];
            assert!(found.iter().all(|(_, verdict)| !shown.contains(verdict)), "{seed}: {found:?}");
        }
    }

    #[test]
    fn a_slowdown_of_ten_percent_is_detected() {
        for seed in [10, 20] {
            let found = verdicts(&fixture::run(seed, 1.0), &fixture::run(seed + 1, 1.1));
            for name in ["mean", "p50", "p90", "p95"] {
                assert_eq!(verdict(name, &found), Conclusion::Higher, "{seed} {name}: {found:?}");
            }
            assert_eq!(verdict("rps", &found), Conclusion::NoDifference, "{found:?}");
            let back = verdicts(&fixture::run(seed, 1.1), &fixture::run(seed + 1, 1.0));
            assert_eq!(verdict("p50", &back), Conclusion::Lower, "{back:?}");
        }
    }

    #[test]
    fn the_interval_contains_the_true_change() {
        let comparison = compare(&fixture::run(1, 1.0), &fixture::run(2, 1.1), 0.95);
        let p50 = comparison.rows.iter().find(|row| row.name == "p50").unwrap();
        let Interval { low, high } = p50.interval.unwrap();
        assert!(low < 0.1 && 0.1 < high && high - low < 0.08, "{low} to {high}");
    }

    #[test]
    fn metrics_that_cannot_be_judged_have_a_reason() {
        let found = verdicts(&fixture::run(1, 1.0), &fixture::run(2, 1.0));
        assert_eq!(verdict("max", &found), Conclusion::SingleCall);
        assert_eq!(verdict("p99.99", &found), Conclusion::TooRare);
        let short = fixture::short_run();
        let comparison = compare(&short, &fixture::run(2, 2.0), 0.95);
        assert!(comparison.rows.iter().all(|row| row.interval.is_none()));
        assert!(comparison.warnings.iter().any(|warning| warning.contains("too short")));
    }

    #[test]
    fn a_single_pause_is_a_single_event() {
        let found = verdicts(&fixture::run(1, 1.0), &fixture::paused_run(2));
        assert_eq!(verdict("p99.9", &found), Conclusion::TooRare);
        assert_eq!(verdict("p50", &found), Conclusion::NoDifference);
    }

    #[test]
    fn the_comparison_is_deterministic() {
        let text =
            || serde_json::to_string(&compare(&fixture::run(1, 1.0), &fixture::run(2, 1.1), 0.95)).unwrap();
        assert_eq!(text(), text());
    }
}
