//! A round: answers to entries that were sent under one limit, and the score they give it.

use std::time::Duration;

use tokio::time::Instant;

use super::search::Search;

/// This part of the limit must be unanswered for a round to begin, so that entries sent from then on meet as many others
/// as the limit allows.
const FULL_LOAD: f64 = 15.0 / 16.0;

/// If fewer than this part of the limit were unanswered when entries were sent, on average, something else was the limit: the line, the pace or
/// the order system's credit. Then the round says nothing.
const MIN_UTILISATION: f64 = 0.5;

/// A round lasts at least this long, so that a pause of a few milliseconds on either side does not decide it.
const MIN_ROUND: Duration = Duration::from_millis(100);

/// … and until this part of a full load has been answered.
const MIN_TURNOVER: f64 = 0.25;

/// … and until there are answers enough to tell a small change from chance: this many for a change by the factor e, and
/// with the square of its inverse more for a smaller one. Latencies that spread as much as their mean is long, as
/// exponential ones do, then leave an uncertainty of a quarter of the change.
const MIN_ANSWERS: f64 = 16.0;

/// How much more of the rate the last entries must bring than of themselves: a tenth more entries are worth their while if
/// they bring one per cent more orders. Higher, and an order system that gains by batches is kept too short; lower, and
/// the gain is less than chance.
const MIN_GAIN: f64 = 0.1;

/// An entry that must be sent again counts twice against a limit: it brought no order, and used up one of its attempts.
const RETRY_PENALTY: f64 = 2.0;

/// When so many entries, and half of all, must be sent again, there is no need to wait for the end of the round.
const COLLAPSE_RETRIES: u32 = 16;

/// When an entry was sent, and among how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    /// Entries that were unanswered then, itself included.
    pub(crate) alongside: usize,
}

/// What became of an entry that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The order system has dealt with it, by an order or by refusing one.
    Done,
    /// It has to be sent again: asked for, not answered in time, or the stream broke.
    Retry,
}

/// Answers so far.
#[derive(Debug, Default)]
pub(super) struct Round {
    since: Option<Instant>,
    answers: u32,
    retries: u32,
    latency: Duration,
    /// Entries that were unanswered when others were sent, all together.
    alongside: f64,
    /// Entries that are unanswered, since when, and the time that all of them have been so far.
    unanswered: usize,
    counted_at: Option<Instant>,
    entry_seconds: f64,
}

/// What a round says of the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    /// It is not over.
    Incomplete,
    /// It was not the limit that bounded what was unanswered.
    NotLimited,
    /// How good the limit is; higher is better. Only differences mean something.
    Score(f64),
    /// The order system cannot do its work.
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
        verdict: Verdict,
        now: Instant,
        search: &Search,
    ) -> Sample {
        self.count(now);
        self.unanswered = self.unanswered.saturating_sub(1);
        let Some(since) = self.since.filter(|since| sent.at >= *since) else { return Sample::Incomplete };
        self.answers = self.answers.saturating_add(1);
        self.retries = self.retries.saturating_add(u32::from(verdict == Verdict::Retry));
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

    /// By Little's law entries on average, divided by their latency, are the rate of answers. Counting answers would need
    /// a round of twice the latency, the first half of which would still tell of the limit before.
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
