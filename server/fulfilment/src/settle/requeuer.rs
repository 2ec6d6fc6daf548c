//! Handing entries back: they go to the settler as retries, so that they are sent again soon and not at the end of
//! their leases. They keep their place in line; the attempt counts.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{
    settings::Backoff,
    settle::answer::Answer,
    statistics::{Counter, Statistics},
    stream::in_flight_table::Unanswered,
};

/// How long an entry waits whose first attempt ended with its stream: almost nothing, it was not the entry's fault.
const AFTER_FIRST_BREAK: Duration = Duration::from_millis(50);

/// Why entries are handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Their stream broke.
    Broken,
    /// The order system took too long to answer them.
    Overdue,
    /// The worker is ending.
    Ending,
}

impl Why {
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
pub(crate) struct HandBack {
    pub(crate) answers: mpsc::Sender<Vec<Answer>>,
    pub(crate) statistics: Statistics,
    pub(crate) retry: Backoff,
}

impl HandBack {
    /// Their stream broke. An entry to which that happens again and again may be why, and waits longer each time.
    pub(crate) async fn broken(&self, entries: Vec<Unanswered>) {
        let after = |attempt| match attempt {
            0 | 1 => AFTER_FIRST_BREAK,
            attempt => self.retry.pause(attempt - 1),
        };
        self.send(entries, after, Why::Broken).await;
    }

    /// The order system took too long to answer them.
    pub(crate) async fn overdue(&self, entries: Vec<Unanswered>) {
        self.statistics.add(Counter::Overdue, entries.len());
        self.send(entries, |attempt| self.retry.pause(attempt), Why::Overdue).await;
    }

    /// The worker is ending: another one may have them at once.
    pub(crate) async fn ending(&self, entries: Vec<Unanswered>) {
        self.send(entries, |_| Duration::ZERO, Why::Ending).await;
    }

    /// If the settler is gone the process is at its end, and the leases end by themselves.
    async fn send(&self, entries: Vec<Unanswered>, after: impl Fn(u32) -> Duration, why: Why) {
        if entries.is_empty() {
            return;
        }
        self.statistics.add(Counter::HandedBack, entries.len());
        let retry = |entry: Unanswered| {
            let after = after(entry.attempt);
            Answer::hand_back(entry, after, why)
        };
        let retries = entries.into_iter().map(retry).collect();
        let _ = self.answers.send(retries).await;
    }
}
