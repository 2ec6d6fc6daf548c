//! What Inrush measures beyond ghz, as it is written into the JSON report and read back by `diff`. Times are in whole
//! nanoseconds, as ghz's are. docs/loadtest-report.md describes every field.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{Report, digest::whole_nanoseconds, format};
use crate::measure::{Code, Interval, Latencies, Quantile as _, Timeline, encoded};

/// The quantiles that are reported of a latency.
pub const QUANTILES: [f64; 6] = [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999];

/// What Inrush measures beyond ghz.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// The version of the load tool.
    pub version: String,
    /// Whether calls had planned times.
    pub open_loop: bool,
    /// When the run started, by RFC 3339.
    pub started: String,
    /// From the start to the end of the last call.
    pub took: u64,
    /// Calls planned for before this were left out, but for the timeline.
    pub warm_up: u64,
    /// Latencies of the calls that ended with OK.
    pub ok: Clocks,
    /// Latencies of the calls that failed.
    pub failed: Clocks,
    /// Calls that were sent later than planned by more than 5 ms.
    pub late: u64,
    /// How much later than planned the latest call was sent.
    pub latest: u64,
    /// Calls that were due and never sent.
    pub unsent: u64,
    /// Calls that ended and were left out: of the warm-up, or the first ones.
    pub skipped: u64,
    /// Calls that were cut off by the end of the run and left out.
    pub ignored: u64,
    /// Bytes of messages sent.
    pub bytes_sent: u64,
    /// Bytes of messages received.
    pub bytes_received: u64,
    /// Processor time of the load tool.
    pub processor_time: u64,
    /// How the run went over time.
    pub timeline: Parts,
}

/// The two latencies of the same calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Clocks {
    /// From the planned time.
    pub from_planned: Distribution,
    /// From the sending.
    pub service: Distribution,
}

/// Latencies of many calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Distribution {
    /// How many calls.
    pub count: u64,
    /// The mean.
    pub mean: u64,
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
    /// By the names of the percentiles.
    pub percentiles: BTreeMap<String, u64>,
    /// All of them: HDR's V2 deflate form in base64, in nanoseconds.
    #[serde(with = "encoded")]
    pub hdr: Histogram<u64>,
}

/// A run in parts of the same width.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parts {
    /// How long each part is.
    pub width: u64,
    /// The parts, in order and without gaps.
    pub intervals: Vec<Part>,
}

/// A part of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// When it began, since the start of the run.
    pub start: u64,
    /// Calls sent.
    pub sent: u64,
    /// Calls that ended.
    pub ended: u64,
    /// Calls that ended by code.
    pub codes: BTreeMap<String, u64>,
    /// Calls per second that ended.
    pub rate: f64,
    /// Calls in flight, on average.
    pub in_flight: f64,
    /// From the planned time, of all calls that ended, by the names of the percentiles.
    pub percentiles: BTreeMap<String, u64>,
    /// The greatest.
    pub max: u64,
    /// All of them: HDR's V2 deflate form in base64, in microseconds.
    #[serde(with = "encoded")]
    pub hdr: Histogram<u64>,
}

impl Measured {
    /// What a run has measured.
    pub(super) fn new(report: &Report) -> Self {
        let results = &report.results;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            open_loop: results.open_loop,
            started: humantime::format_rfc3339_nanos(results.started).to_string(),
            took: whole_nanoseconds(results.took),
            warm_up: whole_nanoseconds(results.warm_up),
            ok: Clocks::new(&results.ok),
            failed: Clocks::new(&results.failed),
            late: results.late,
            latest: whole_nanoseconds(results.latest),
            unsent: results.unsent,
            skipped: results.skipped,
            ignored: results.ignored,
            bytes_sent: results.bytes_sent,
            bytes_received: results.bytes_received,
            processor_time: whole_nanoseconds(results.processor_time),
            timeline: Parts::new(&results.timeline),
        }
    }
}

impl Clocks {
    fn new(latencies: &Latencies) -> Self {
        Self {
            from_planned: Distribution::new(&latencies.from_planned),
            service: Distribution::new(&latencies.service),
        }
    }
}

impl Distribution {
    fn new(hdr: &Histogram<u64>) -> Self {
        let (min, max) = if hdr.is_empty() { (0, 0) } else { (hdr.min(), hdr.max()) };
        let mean = whole_nanoseconds(super::digest::mean(hdr));
        Self { count: hdr.len(), mean, min, max, percentiles: percentiles(hdr, 1), hdr: hdr.clone() }
    }
}

impl Parts {
    fn new(timeline: &Timeline) -> Self {
        let width = timeline.width();
        let intervals = timeline.intervals().iter().map(|interval| Part::new(interval, width)).collect();
        Self { width: whole_nanoseconds(width), intervals }
    }
}

impl Part {
    fn new(interval: &Interval, width: Duration) -> Self {
        let of_code = |code: &Code| (code.name().to_owned(), interval.codes[code.index()]);
        Self {
            start: whole_nanoseconds(interval.start),
            sent: interval.sent,
            ended: interval.ended(),
            codes: Code::ALL.iter().map(of_code).filter(|(_, count)| *count > 0).collect(),
            rate: per_second(interval.ended(), width),
            in_flight: interval.busy.as_secs_f64() / width.as_secs_f64(),
            percentiles: percentiles(&interval.latencies, 1_000),
            max: if interval.latencies.is_empty() { 0 } else { interval.latencies.max() * 1_000 },
            hdr: interval.latencies.clone(),
        }
    }
}

/// How many of something there were per second of a time that is not nothing.
#[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
pub(super) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The percentiles in nanoseconds; none of no calls.
fn percentiles(hdr: &Histogram<u64>, unit: u64) -> BTreeMap<String, u64> {
    let at = |quantile: f64| (format::percentile(quantile), whole_nanoseconds(hdr.at(quantile)) * unit);
    if hdr.is_empty() { BTreeMap::new() } else { QUANTILES.into_iter().map(at).collect() }
}
