//! A round: the answers to entries that were sent under one limit, and their score.

use std::time::Duration;

use tokio::time::Instant;

use super::search::Search;

/// A round begins when this fraction of the limit is unanswered, so that entries sent from then on meet as
/// many others as the limit allows.
const FULL_LOAD: f64 = 15.0 / 16.0;

/// If the average number of unanswered entries was below this fraction of the limit, something else limited
/// the load: the queue, the pace or the credit of the order system. Then the round has no score.
const MIN_UTILISATION: f64 = 0.5;

/// The minimum duration of a round, so that a delay of a few milliseconds on either side does not decide it.
const MIN_ROUND: Duration = Duration::from_millis(100);

/// … and until this fraction of a full load has been answered.
const MIN_TURNOVER: f64 = 0.25;

/// … and until there are enough answers to distinguish a small step from noise: this many for a step by the factor
/// e, and more for a smaller one, by the inverse square. Latencies with a standard deviation as large as
/// their mean, such as exponential ones, then leave an uncertainty of a quarter of the step.
const MIN_ANSWERS: f64 = 16.0;

/// The gain in rate that justifies more entries: a tenth more entries must bring one per cent more orders. If
/// it is higher, an order system that gains by batches gets too few; if it is lower, the gain is less than
/// noise.
const MIN_GAIN: f64 = 0.1;

/// The weight of entries that must be sent again: they brought no order and used up an attempt.
const RETRY_PENALTY: f64 = 2.0;

/// With so many entries to send again, at least half of all, the round ends immediately.
const COLLAPSE_RETRIES: u32 = 16;

/// The time at which an entry was sent, and the load at that time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    /// Unanswered entries at that time, including this one.
    pub(crate) alongside: usize,
}

/// The result of an entry that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// The order system has created or rejected the order.
    Done,
    /// The entry must be sent again: on request, after a timeout, or because the stream broke.
    Retry,
}

/// The answers so far.
#[derive(Debug, Default)]
pub(super) struct Round {
    since: Option<Instant>,
    answers: u32,
    retries: u32,
    latency: Duration,
    /// The sum of `alongside` of all answered entries.
    alongside: f64,
    /// Unanswered entries, the time of the last change, and the integral of their number over time.
    unanswered: usize,
    counted_at: Option<Instant>,
    entry_seconds: f64,
}

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    /// The round is not over.
    Incomplete,
    /// Something other than the limit bounded the load.
    NotLimited,
    /// The score of the limit; higher is better. Only differences are meaningful.
    Score(f64),
    /// The order system fails most entries.
    Collapse,
}

impl Round {
    pub(super) fn on_sent(&mut self, unanswered: usize, limit: usize, now: Instant) {
        let full = as_f64(unanswered) >= FULL_LOAD * as_f64(limit) && unanswered <= limit;
        self.count(now);
        self.unanswered = unanswered;
        if self.since.is_none() && full {
            *self = Self { since: Some(now), unanswered, counted_at: Some(now), ..Self::default() };
        }
    }

    fn count(&mut self, now: Instant) {
        if let Some(counted_at) = self.counted_at.replace(now) {
            self.entry_seconds +=
                as_f64(self.unanswered) * now.saturating_duration_since(counted_at).as_secs_f64();
        }
    }

    pub(super) fn on_answer(
        &mut self,
        sent: Sent,
        kind: AnswerKind,
        now: Instant,
        search: &Search,
    ) -> Sample {
        self.count(now);
        self.unanswered = self.unanswered.saturating_sub(1);
        let Some(since) = self.since.filter(|since| sent.at >= *since) else { return Sample::Incomplete };
        self.answers = self.answers.saturating_add(1);
        self.retries = self.retries.saturating_add(u32::from(kind == AnswerKind::Retry));
        self.latency = self.latency.saturating_add(now.saturating_duration_since(sent.at));
        self.alongside += as_f64(sent.alongside);
        if self.retries >= COLLAPSE_RETRIES && self.retries >= self.answers.div_ceil(2) {
            return Sample::Collapse;
        }
        let enough = (MIN_ANSWERS / search.step().ln().powi(2)).max(MIN_TURNOVER * as_f64(search.limit()));
        let long_enough = MIN_ROUND.max(self.latency / self.answers);
        let lasted = now.saturating_duration_since(since);
        if f64::from(self.answers) < enough || lasted < long_enough {
            return Sample::Incomplete;
        }
        self.score(search.limit(), lasted)
    }

    /// By Little's law, the average number of entries divided by their latency is the rate of answers.
    /// Counting answers would need a round of twice the latency, the first half of which would still measure
    /// the previous limit.
    fn score(&self, limit: usize, lasted: Duration) -> Sample {
        let answers = f64::from(self.answers);
        if self.alongside < MIN_UTILISATION * as_f64(limit) * answers {
            return Sample::NotLimited;
        }
        let latency = self.latency.as_secs_f64() / answers;
        let unanswered = self.entry_seconds / lasted.as_secs_f64();
        let done = 1.0 - f64::from(self.retries) / answers;
        let rate = unanswered / latency.max(f64::MIN_POSITIVE);
        Sample::Score(rate.ln() + RETRY_PENALTY * done.ln() - MIN_GAIN * as_f64(limit).ln())
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of entries are far below 2^52")]
const fn as_f64(entries: usize) -> f64 {
    entries as f64
}
