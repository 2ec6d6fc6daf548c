//! Numbers of the running demo, for the progress display and the report's timeline.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;

/// Counts as they happen; all of them only rise.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Answers to first Enqueues.
    pub(crate) answered: Counter,
    /// Tickets given out.
    pub(crate) queued: Counter,
    /// Buyers refused.
    pub(crate) refused: Counter,
    /// Tickets cancelled.
    pub(crate) cancelled: Counter,
    /// Repeats that were answered with the same ticket.
    pub(crate) repeated: Counter,
    /// Status answers.
    pub(crate) polls: Counter,
    /// Tickets seen in a final state.
    pub(crate) ended: Counter,
    /// Positions that rose.
    pub(crate) positions_rose: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// Adds some.
    pub(crate) fn add(&self, some: u64) {
        self.0.fetch_add(some, Ordering::Relaxed);
    }

    /// The number now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the opening.
    pub(crate) at_s: f64,
    /// Answers to first Enqueues.
    pub(crate) answered: u64,
    /// Buyers refused.
    pub(crate) refused: u64,
    /// Tickets given out.
    pub(crate) queued: u64,
    /// Tickets waiting in line.
    pub(crate) waiting: u64,
    /// Units with an order.
    pub(crate) ordered: u64,
}

impl Counters {
    /// The numbers now, with those that the sale's ledger gives.
    pub(crate) fn sample(&self, at: Duration, waiting: u64, ordered: u64) -> Sample {
        Sample {
            at_s: at.as_secs_f64(),
            answered: self.answered.get(),
            refused: self.refused.get(),
            queued: self.queued.get(),
            waiting,
            ordered,
        }
    }
}
