//! Counts the calls of one thread.

use std::time::{Duration, SystemTime};

use inrush_transport::Code;

use super::{interval::Interval, results::Results, sample::Detail};

/// What a recorder leaves out, and keeps.
#[derive(Debug, Clone, Copy)]
pub struct RecorderSettings {
    /// When the run started.
    pub started: SystemTime,
    /// Whether calls have planned times.
    pub open_loop: bool,
    /// Calls planned for before this are left out.
    pub warm_up: Duration,
    /// Calls whose number is below this are left out.
    pub skip_first: u64,
    /// Width of an interval.
    pub interval: Duration,
    /// How many single calls to keep.
    pub details: usize,
}

/// A call that has ended. Times are since the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its number in the run, from 0.
    pub number: u64,
    /// When it was planned for.
    pub planned: Duration,
    /// When it was sent.
    pub sent: Duration,
    /// When it ended.
    pub ended: Duration,
    /// How it ended.
    pub code: Code,
    /// The error's text; empty if there is none.
    pub error: &'a str,
    /// Bytes of messages sent.
    pub bytes_sent: u64,
    /// Bytes of messages received.
    pub bytes_received: u64,
}

/// Counts the calls of one thread.
#[derive(Debug)]
pub struct Recorder {
    settings: RecorderSettings,
    results: Results,
    interval: Interval,
    in_flight: u32,
    /// Until when the interval's `busy` is counted.
    counted: Duration,
}

impl Recorder {
    /// Nothing recorded yet.
    pub fn new(settings: RecorderSettings) -> Self {
        let RecorderSettings { started, open_loop, warm_up, interval, details, .. } = settings;
        let results = Results { warm_up, ..Results::new(started, open_loop, interval, details) };
        Self {
            settings,
            results,
            interval: Interval::new(Duration::ZERO),
            in_flight: 0,
            counted: Duration::ZERO,
        }
    }

    /// A call is being sent.
    pub fn sent(&mut self, now: Duration) {
        self.count_busy(now);
        self.in_flight += 1;
        self.interval.sent += 1;
    }

    /// A call has ended.
    pub fn ended(&mut self, call: &Call<'_>) {
        self.count_busy(call.ended);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.interval.count(call.code, call.ended.saturating_sub(call.planned));
        if call.planned < self.settings.warm_up || call.number < self.settings.skip_first {
            self.results.skipped += 1;
        } else {
            self.count(call);
        }
    }

    /// A call was cut off, and is not to be counted.
    pub fn ignored(&mut self, now: Duration) {
        self.count_busy(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.results.ignored += 1;
    }

    /// The interval so far, once `now` lies beyond it; the next one begins.
    pub fn turn(&mut self, now: Duration) -> Option<Interval> {
        let width = self.settings.interval;
        (now >= self.interval.start + width).then(|| {
            let number = u32::try_from(now.as_nanos() / width.as_nanos()).unwrap_or(u32::MAX);
            self.begin_interval(width * number)
        })
    }

    /// What was recorded, and the last interval. Nothing is left.
    pub fn finish(&mut self, took: Duration) -> (Results, Interval) {
        let last = self.begin_interval(took);
        let RecorderSettings { started, open_loop, interval, .. } = self.settings;
        let nothing = Results::new(started, open_loop, interval, 0);
        let mut results = std::mem::replace(&mut self.results, nothing);
        results.took = took;
        (results, last)
    }

    fn begin_interval(&mut self, start: Duration) -> Interval {
        self.count_busy(start);
        std::mem::replace(&mut self.interval, Interval::new(start))
    }

    fn count_busy(&mut self, now: Duration) {
        self.interval.busy += now.saturating_sub(self.counted) * self.in_flight;
        self.counted = self.counted.max(now);
    }

    fn count(&mut self, call: &Call<'_>) {
        let results = &mut self.results;
        let from_planned = call.ended.saturating_sub(call.planned);
        let service = call.ended.saturating_sub(call.sent);
        let lag = call.sent.saturating_sub(call.planned);
        results.late += u64::from(lag > Results::LATE);
        results.latest = results.latest.max(lag);
        results.codes[call.code.index()] += 1;
        results.bytes_sent += call.bytes_sent;
        results.bytes_received += call.bytes_received;
        let error = match call.code {
            Code::Ok => {
                results.ok.record(from_planned, service);
                None
            }
            _ => {
                results.failed.record(from_planned, service);
                Some(results.errors.count(call.error))
            }
        };
        let Call { planned, sent, ended, code, .. } = *call;
        results.details.offer(|| Detail { planned, sent, ended, code, error });
    }
}
