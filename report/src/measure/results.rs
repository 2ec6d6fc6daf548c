//! Everything a run has measured.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use inrush_transport::Code;

use super::{errors::ErrorTexts, latencies::Latencies, sample::Sample, timeline::Timeline};

/// Why a run ended, in ghz's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// All calls were made.
    Normal,
    /// Its time was over.
    Timeout,
    /// It was interrupted.
    Cancel,
}

/// What a thread, a machine, or a whole run has measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// When it started.
    pub started: SystemTime,
    /// From the start to the end of the last call.
    pub took: Duration,
    /// Why it ended.
    pub end_reason: EndReason,
    /// Whether calls had planned times (an open loop), or each waited for the one before (a closed loop).
    pub open_loop: bool,
    /// Calls planned for before this were left out.
    pub warm_up: Duration,
    /// Latencies of calls that ended with OK.
    pub ok: Latencies,
    /// Latencies of calls that failed.
    pub failed: Latencies,
    /// How many calls ended, by [`Code::index`].
    pub codes: [u64; Code::ALL.len()],
    /// What went wrong.
    pub errors: ErrorTexts,
    /// Calls that were sent later than planned, by more than [`LATE`](Self::LATE): the load tool's own fault.
    pub late: u64,
    /// How much later than planned the latest call was sent.
    pub latest: Duration,
    /// Calls that were due and never sent, because too many were in flight or the run's time was over first.
    pub unsent: u64,
    /// Calls that ended and were left out: of the warm-up, or the first ones.
    pub skipped: u64,
    /// Calls that were cut off by the end of the run, and left out.
    pub ignored: u64,
    /// Bytes of messages sent, with their length prefixes.
    pub bytes_sent: u64,
    /// Bytes of messages received, with their length prefixes.
    pub bytes_received: u64,
    /// Processor time of the load tool.
    pub processor_time: Duration,
    /// How it went over time. All calls are in it, those of the warm-up as well.
    pub timeline: Timeline,
    /// Single calls.
    pub details: Sample,
}

impl Results {
    /// A call that is sent so much later than planned counts as late.
    pub const LATE: Duration = Duration::from_millis(5);

    /// Nothing measured yet.
    pub fn new(started: SystemTime, open_loop: bool, interval: Duration, details: usize) -> Self {
        Self {
            started,
            took: Duration::ZERO,
            end_reason: EndReason::Normal,
            open_loop,
            warm_up: Duration::ZERO,
            ok: Latencies::new(),
            failed: Latencies::new(),
            codes: [0; Code::ALL.len()],
            errors: ErrorTexts::default(),
            late: 0,
            latest: Duration::ZERO,
            unsent: 0,
            skipped: 0,
            ignored: 0,
            bytes_sent: 0,
            bytes_received: 0,
            processor_time: Duration::ZERO,
            timeline: Timeline::new(interval),
            details: Sample::new(details),
        }
    }

    /// How many calls were counted.
    pub fn count(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// How many calls were counted that failed.
    pub fn failures(&self) -> u64 {
        self.count() - self.codes[Code::Ok.index()]
    }

    /// Calls per second that ended, after the warm-up.
    #[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.took.saturating_sub(self.warm_up).as_secs_f64().max(1e-9)
    }

    /// Latencies of the calls that ended with OK, and of those that failed as well if asked for.
    pub fn latencies(&self, with_failed: bool) -> Latencies {
        let mut latencies = self.ok.clone();
        if with_failed {
            latencies.merge(&self.failed);
        }
        latencies
    }

    /// Adds what another thread or machine measured of the same run.
    pub fn merge(&mut self, other: Self) {
        self.started = self.started.min(other.started);
        self.took = self.took.max(other.took);
        self.warm_up = self.warm_up.max(other.warm_up);
        if self.end_reason == EndReason::Normal {
            self.end_reason = other.end_reason;
        }
        self.ok.merge(&other.ok);
        self.failed.merge(&other.failed);
        for (count, more) in self.codes.iter_mut().zip(other.codes) {
            *count += more;
        }
        self.errors.merge(&other.errors);
        self.late += other.late;
        self.latest = self.latest.max(other.latest);
        self.unsent += other.unsent;
        self.skipped += other.skipped;
        self.ignored += other.ignored;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.processor_time += other.processor_time;
        self.timeline.merge(other.timeline);
        self.details.merge(other.details);
    }
}
