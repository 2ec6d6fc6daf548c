//! Requeues entries without an answer: they go to the settler as retries, so that they are sent again soon
//! instead of at the end of their leases. They keep their seq; the attempt counts.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{
    settings::Backoff,
    settle::answer::{Answer, RequeueReason},
    statistics::{Counter, Statistics},
    stream::in_flight_table::InFlightEntry,
};

/// The delay of an entry whose stream broke in its first attempt: short, since the entry is not the likely cause.
const FIRST_BREAK_BACKOFF: Duration = Duration::from_millis(50);

/// Requeues entries that were removed from the window.
#[derive(Clone)]
pub(crate) struct Requeuer {
    pub(crate) answers: mpsc::Sender<Vec<Answer>>,
    pub(crate) statistics: Statistics,
    pub(crate) retry: Backoff,
}

impl Requeuer {
    /// The stream broke. The delay grows with the attempts, since an entry that breaks its stream every time
    /// may be the cause.
    pub(crate) async fn stream_broken(&self, entries: Vec<InFlightEntry>) {
        let after = |attempt| match attempt {
            0 | 1 => FIRST_BREAK_BACKOFF,
            attempt => self.retry.delay(attempt - 1),
        };
        self.send(entries, after, RequeueReason::Broken).await;
    }

    /// The order system did not answer in time.
    pub(crate) async fn overdue(&self, entries: Vec<InFlightEntry>) {
        self.statistics.add(Counter::Overdue, entries.len());
        self.send(entries, |attempt| self.retry.delay(attempt), RequeueReason::Overdue).await;
    }

    /// The worker is shutting down: another worker may claim them immediately.
    pub(crate) async fn worker_ending(&self, entries: Vec<InFlightEntry>) {
        self.send(entries, |_| Duration::ZERO, RequeueReason::Ending).await;
    }

    /// If the settler has ended, the process is shutting down, and the leases expire by themselves.
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
