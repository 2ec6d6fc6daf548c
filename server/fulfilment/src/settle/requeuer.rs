//! Handing entries back: they go to the settler as retries, so that they are sent again soon and not at the end of
//! their leases. They keep their place in line; the attempt counts.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{
    settings::Backoff,
    settle::answer::Answer,
    statistics::{Counter, Statistics},
    stream::in_flight_table::InFlightEntry,
};

/// How long an entry waits whose first attempt ended with its stream: almost nothing, it was not the entry's fault.
const FIRST_BREAK_BACKOFF: Duration = Duration::from_millis(50);

/// Why entries are handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequeueReason {
    /// Their stream broke.
    Broken,
    /// The order system took too long to answer them.
    Overdue,
    /// The worker is ending.
    Ending,
}

impl RequeueReason {
    /// What a dead letter says of it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Broken => "the order stream broke before an answer came",
            Self::Overdue => "the order system did not answer in time",
            Self::Ending => "the worker ended before an answer came",
        }
    }

    /// Its name in spans.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Broken => "stream_broken",
            Self::Overdue => "overdue",
            Self::Ending => "worker_ending",
        }
    }
}

/// Hands entries back that were taken out of the window.
#[derive(Clone)]
pub(crate) struct Requeuer {
    pub(crate) answers: mpsc::Sender<Vec<Answer>>,
    pub(crate) statistics: Statistics,
    pub(crate) retry: Backoff,
}

impl Requeuer {
    /// Their stream broke. An entry to which that happens again and again may be why, and waits longer each time.
    pub(crate) async fn stream_broken(&self, entries: Vec<InFlightEntry>) {
        let after = |attempt| match attempt {
            0 | 1 => FIRST_BREAK_BACKOFF,
            attempt => self.retry.pause(attempt - 1),
        };
        self.send(entries, after, RequeueReason::Broken).await;
    }

    /// The order system took too long to answer them.
    pub(crate) async fn overdue(&self, entries: Vec<InFlightEntry>) {
        self.statistics.add(Counter::Overdue, entries.len());
        self.send(entries, |attempt| self.retry.pause(attempt), RequeueReason::Overdue).await;
    }

    /// The worker is ending: another one may have them at once.
    pub(crate) async fn worker_ending(&self, entries: Vec<InFlightEntry>) {
        self.send(entries, |_| Duration::ZERO, RequeueReason::Ending).await;
    }

    /// If the settler is gone the process is at its end, and the leases end by themselves.
    async fn send(&self, entries: Vec<InFlightEntry>, after: impl Fn(u32) -> Duration, why: RequeueReason) {
        if entries.is_empty() {
            return;
        }
        self.statistics.add(Counter::Requeued, entries.len());
        let retry = |entry: InFlightEntry| {
            let after = after(entry.attempt);
            Answer::requeue(entry, after, why)
        };
        let retries = entries.into_iter().map(retry).collect();
        let _ = self.answers.send(retries).await;
    }
}
