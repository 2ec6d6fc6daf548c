//! A run in the terms of ghz: the same fields, names and units as its report has, for all formats.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Report, format};
use crate::measure::{Code, EndReason, Latencies, Quantile as _};

/// The percentages whose latencies ghz reports.
const PERCENTAGES: [u8; 7] = [10, 25, 50, 75, 90, 95, 99];

/// Steps from the fastest to the slowest call in ghz's histogram, which has a mark at either end.
const STEPS: u32 = 10;

/// A run in the terms of ghz. Latencies are from the planned time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Digest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) end_reason: EndReason,
    /// When it ended.
    #[serde(serialize_with = "to_seconds")]
    pub(super) date: SystemTime,
    pub(super) options: &'a Map<String, Value>,
    pub(super) count: u64,
    #[serde(serialize_with = "nanoseconds")]
    pub(super) total: Duration,
    /// Of all calls, also where the other latencies are of those alone that ended well.
    #[serde(serialize_with = "nanoseconds")]
    pub(super) average: Duration,
    #[serde(serialize_with = "nanoseconds")]
    pub(super) fastest: Duration,
    #[serde(serialize_with = "nanoseconds")]
    pub(super) slowest: Duration,
    pub(super) rps: f64,
    #[serde(rename = "errorDistribution")]
    pub(super) errors: BTreeMap<&'a str, u64>,
    #[serde(rename = "statusCodeDistribution")]
    pub(super) codes: BTreeMap<&'static str, u64>,
    pub(super) latency_distribution: Vec<LatencyAt>,
    pub(super) histogram: Vec<Bucket>,
    pub(super) details: Vec<DetailLine<'a>>,
    #[serde(skip_serializing_if = "has_none")]
    pub(super) tags: &'a BTreeMap<String, String>,
}

/// What a share of the calls did not exceed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct LatencyAt {
    pub(super) percentage: u8,
    #[serde(serialize_with = "nanoseconds")]
    pub(super) latency: Duration,
}

/// How many calls took up to a mark, and more than the mark before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bucket {
    /// In seconds.
    pub(super) mark: f64,
    pub(super) count: u64,
    /// The share of all calls, from 0 to 1.
    pub(super) frequency: f64,
}

/// One call.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DetailLine<'a> {
    /// When it ended.
    #[serde(serialize_with = "to_nanoseconds")]
    pub(super) timestamp: SystemTime,
    #[serde(serialize_with = "nanoseconds")]
    pub(super) latency: Duration,
    pub(super) error: &'a str,
    pub(super) status: &'static str,
}

impl<'a> Digest<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let results = &report.results;
        let Latencies { from_planned: latencies, .. } = results.latencies(report.count_errors);
        let counted = |code: &Code| (code.name(), results.codes[code.index()]);
        Self {
            name: report.name.as_deref().filter(|name| !name.is_empty()),
            end_reason: results.end_reason,
            date: results.started + results.took,
            options: &report.options,
            count: results.count(),
            total: results.took,
            average: mean(&results.latencies(true).from_planned),
            fastest: Duration::from_nanos(latencies.min()),
            slowest: Duration::from_nanos(latencies.max()),
            rps: results.rate(),
            errors: results.errors.iter().collect(),
            codes: Code::ALL.iter().map(counted).filter(|(_, count)| *count > 0).collect(),
            latency_distribution: distribution(&latencies),
            histogram: histogram(&latencies),
            details: details(report),
            tags: &report.tags,
        }
    }

    /// How many calls failed.
    pub(super) fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// The mean of a histogram of nanoseconds.
pub(super) fn mean(latencies: &Histogram<u64>) -> Duration {
    Duration::from_secs_f64(latencies.mean().max(0.0) / 1e9)
}

fn distribution(latencies: &Histogram<u64>) -> Vec<LatencyAt> {
    let at = |percentage: u8| LatencyAt { percentage, latency: latencies.at(f64::from(percentage) / 100.0) };
    if latencies.is_empty() { Vec::new() } else { PERCENTAGES.into_iter().map(at).collect() }
}

fn histogram(latencies: &Histogram<u64>) -> Vec<Bucket> {
    if latencies.is_empty() {
        return Vec::new();
    }
    let (fastest, slowest) = (latencies.min(), latencies.max());
    let mark = |step: u32| fastest + (slowest - fastest) * u64::from(step) / u64::from(STEPS);
    let marks: Vec<u64> = (0..=STEPS).map(mark).collect();
    let mut counts = vec![0; marks.len()];
    for step in latencies.iter_recorded() {
        let value = latencies.lowest_equivalent(step.value_iterated_to());
        let place = marks.partition_point(|mark| *mark < value).min(marks.len() - 1);
        counts[place] += step.count_at_value();
    }
    let bucket = |(mark, count): (u64, u64)| Bucket {
        mark: Duration::from_nanos(mark).as_secs_f64(),
        count,
        frequency: format::ratio(count, latencies.len()),
    };
    marks.into_iter().zip(counts).map(bucket).collect()
}

fn details(report: &Report) -> Vec<DetailLine<'_>> {
    let results = &report.results;
    let details = results.details.details().into_iter();
    details
        .map(|detail| DetailLine {
            timestamp: results.started + detail.ended,
            latency: detail.ended.saturating_sub(detail.planned),
            error: detail.error.as_deref().unwrap_or_default(),
            status: detail.code.name(),
        })
        .collect()
}

/// A duration as ghz writes it: whole nanoseconds.
pub(super) fn nanoseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole_nanoseconds(*duration))
}

/// A duration in nanoseconds, at most 584 years.
pub(super) fn whole_nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn has_none(tags: &&BTreeMap<String, String>) -> bool {
    tags.is_empty()
}

fn to_seconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_seconds(*time))
}

fn to_nanoseconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_nanos(*time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_histogram_counts_every_call_once() {
        let report = fixture::report();
        let digest = Digest::new(&report);
        assert_eq!(digest.histogram.len(), 11);
        assert_eq!(digest.histogram.iter().map(|bucket| bucket.count).sum::<u64>(), 990);
        let shares: f64 = digest.histogram.iter().map(|bucket| bucket.frequency).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{shares}");
        // Latencies are spread evenly, so each step has a tenth of them, and the first mark the fastest call alone.
        assert!(digest.histogram[0].count <= 2, "{:?}", digest.histogram);
        assert!(digest.histogram[1..].iter().all(|bucket| (95..=104).contains(&bucket.count)));
    }

    #[test]
    fn a_run_without_calls_has_no_distribution() {
        let mut report = fixture::report();
        report.results =
            crate::measure::Results::new(SystemTime::UNIX_EPOCH, false, Duration::from_secs(1), 0);
        let digest = Digest::new(&report);
        assert!(digest.histogram.is_empty() && digest.latency_distribution.is_empty());
        assert_eq!((digest.count, digest.average, digest.rps), (0, Duration::ZERO, 0.0));
    }
}
