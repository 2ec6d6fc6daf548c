//! A run, as far as it is compared.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::pieces::Pieces;
use crate::threshold::{Metric, Statistic};

/// A run. Its latencies include failed calls, since the pieces of a run do.
#[derive(Debug, Clone)]
pub struct Run {
    /// The kind of run.
    pub kind: RunKind,
    /// Number of ended calls.
    pub(super) count: u64,
    /// Number of failed calls.
    pub(super) failed: u64,
    /// Duration in which calls were counted.
    pub(super) counted_for: Duration,
    /// From the planned time, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// In order of time.
    pub(super) pieces: Pieces,
}

/// What must be equal for a comparison to be meaningful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunKind {
    /// The method.
    pub call: String,
    /// Whether calls had planned times, if that is known.
    pub open_loop: Option<bool>,
}

impl Run {
    /// The value of a metric. `None` if there are no calls.
    #[expect(clippy::cast_precision_loss, reason = "metrics have three digits")]
    pub(super) fn value(&self, metric: Metric) -> Option<f64> {
        if self.latencies.is_empty() {
            return None;
        }
        match metric {
            Metric::Rate => Some(self.count as f64 / self.counted_for.as_secs_f64().max(1e-9)),
            Metric::Errors => Some(self.failed as f64 / self.count as f64),
            Metric::Latency(_, statistic) => Some(self.latency(statistic) / 1e9),
            Metric::Count | Metric::Late | Metric::Unsent | Metric::Code(_) => None,
        }
    }

    /// Number of pieces with calls above a percentile.
    pub(super) fn pieces_above(&self, quantile: f64) -> usize {
        // Two percent more, which is the resolution of the latencies of pieces.
        let limit = self.latencies.value_at_quantile(quantile) / 1_000 * 102 / 100;
        self.pieces.pieces_above(limit)
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics have three digits")]
    fn latency(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Quantile(quantile) => self.latencies.value_at_quantile(quantile) as f64,
            Statistic::Mean => self.latencies.mean(),
            Statistic::Min => self.latencies.min() as f64,
            Statistic::Max => self.latencies.max() as f64,
        }
    }
}
