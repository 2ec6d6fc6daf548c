//! A part of a run.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use inrush_transport::Code;

use super::{histogram::encoded, latencies::merge};

/// Significant decimal digits of the latencies of an interval: enough for a picture, and small.
pub const INTERVAL_DIGITS: u8 = 2;

/// Maximum latency in an interval, in microseconds: an hour. Longer ones count as this.
const MAX_LATENCY: u64 = 3_600_000_000;

/// What happened during a part of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// When it began, since the start of the run.
    pub start: Duration,
    /// How many calls ended, by [`Code::index`].
    pub codes: [u64; Code::ALL.len()],
    /// How many calls were sent.
    pub sent: u64,
    /// How long calls were in flight, added up over all calls: divided by the interval's width, it is how many were in
    /// flight on average.
    pub busy: Duration,
    /// Latencies from the planned time of the calls that ended, in microseconds.
    #[serde(with = "encoded")]
    pub latencies: Histogram<u64>,
}

impl Interval {
    /// An interval without calls.
    pub fn new(start: Duration) -> Self {
        // As large as the longest latency in it needs: a timeline has hundreds of them.
        #[expect(clippy::expect_used, reason = "the digits are a constant, and right")]
        let latencies = Histogram::new(INTERVAL_DIGITS).expect("two digits are valid");
        Self { start, codes: [0; Code::ALL.len()], sent: 0, busy: Duration::ZERO, latencies }
    }

    /// Counts a call that ended.
    pub fn count(&mut self, code: Code, from_planned: Duration) {
        self.codes[code.index()] += 1;
        let latency = u64::try_from(from_planned.as_micros()).unwrap_or(MAX_LATENCY).clamp(1, MAX_LATENCY);
        // The histogram grows with what it is given, and refuses nothing below its limit.
        let _counted = self.latencies.record(latency);
    }

    /// How many calls ended.
    pub fn ended(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// How many calls ended well.
    pub fn ok(&self) -> u64 {
        self.codes[Code::Ok.index()]
    }

    /// Adds what another thread or machine measured during this interval, or during a part of it.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.codes.iter_mut().zip(other.codes) {
            *count += more;
        }
        self.sent += other.sent;
        self.busy += other.busy;
        merge(&mut self.latencies, &other.latencies);
    }
}
