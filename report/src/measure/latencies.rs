//! The two latencies of a call.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::histogram::encoded;

/// Significant decimal digits that are kept of every latency.
const DIGITS: u8 = 3;

/// Maximum latency, in nanoseconds: an hour. Longer ones count as this.
const MAX_LATENCY: u64 = 3_600_000_000_000;

/// Latencies of many calls, in nanoseconds, to three significant digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From the moment a call was planned for to its end. In a closed loop a call is planned for when it is sent.
    #[serde(with = "encoded")]
    pub from_planned: Histogram<u64>,
    /// From the moment a call was sent to its end: what the server and the network took.
    #[serde(with = "encoded")]
    pub service: Histogram<u64>,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        Self { from_planned: histogram(), service: histogram() }
    }

    /// Counts one call.
    pub fn record(&mut self, from_planned: Duration, service: Duration) {
        self.from_planned.saturating_record(nanoseconds(from_planned));
        self.service.saturating_record(nanoseconds(service));
    }

    /// Counts the calls of another, exactly.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.from_planned, &other.from_planned);
        merge(&mut self.service, &other.service);
    }

    /// How many calls were counted.
    pub fn count(&self) -> u64 {
        self.service.len()
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants, and right")]
    Histogram::new_with_bounds(1, MAX_LATENCY, DIGITS).expect("an hour and three digits are valid bounds")
}

/// Adds `other`, cutting at the longest latency what an untrusted histogram may hold beyond it.
pub(super) fn merge(into: &mut Histogram<u64>, other: &Histogram<u64>) {
    if into.add(other).is_err() {
        for bucket in other.iter_recorded() {
            into.saturating_record_n(bucket.value_iterated_to(), bucket.count_at_value());
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(MAX_LATENCY).max(1)
}
