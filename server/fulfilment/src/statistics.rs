//! Counters of a worker, cheap to update and to read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// A handle on the counters of one worker. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    counters: [AtomicU64; Counter::COUNT],
    in_flight: AtomicUsize,
    unanswered: AtomicUsize,
    concurrency: AtomicUsize,
    streams: AtomicUsize,
}

/// The counters at one moment. All rise, except `in_flight`, `unanswered`, `concurrency` and `streams`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries claimed, every attempt counted.
    pub claimed: u64,
    /// Entries sent on an order stream.
    pub sent: u64,
    /// Tickets settled with an order.
    pub ordered: u64,
    /// Tickets settled as rejected.
    pub rejected: u64,
    /// Attempts settled as retry, requeued ones included.
    pub retried: u64,
    /// Tickets that became dead with their last attempt.
    pub dead: u64,
    /// Outcomes without effect: the lease was lost, or an earlier call had recorded them.
    pub stale: u64,
    /// Entries requeued without an answer: stream broken, answer overdue, or worker shutting down.
    pub requeued: u64,
    /// Requeued entries whose answer was overdue.
    pub overdue: u64,
    /// Leases extended.
    pub extended: u64,
    /// Leases lost while their entry was unanswered.
    pub leases_lost: u64,
    /// Answers to tickets that were not in flight.
    pub unknown: u64,
    /// Expired leases reclaimed, of any worker.
    pub recovered: u64,
    /// Outcomes that could not be recorded because the sale is gone or damaged.
    pub abandoned: u64,
    /// Entries that hold a permit now: unanswered, or answered and not settled.
    pub in_flight: u64,
    /// Entries unanswered now.
    pub unanswered: u64,
    /// The current limit on unanswered entries.
    pub concurrency: u64,
    /// Order streams that are up now.
    pub streams: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Claimed,
    Sent,
    Ordered,
    Rejected,
    Retried,
    Dead,
    Stale,
    Requeued,
    Overdue,
    Extended,
    LeasesLost,
    Unknown,
    Recovered,
    Abandoned,
}

impl Counter {
    const COUNT: usize = Self::Abandoned as usize + 1;
}

impl Statistics {
    /// Reads the counters. Each is exact; together they are not a snapshot of one instant.
    #[must_use]
    pub fn counts(&self) -> Counts {
        use Counter::{
            Abandoned, Claimed, Dead, Extended, LeasesLost, Ordered, Overdue, Recovered, Rejected, Requeued,
            Retried, Sent, Stale, Unknown,
        };
        Counts {
            claimed: self.get(Claimed),
            sent: self.get(Sent),
            ordered: self.get(Ordered),
            rejected: self.get(Rejected),
            retried: self.get(Retried),
            dead: self.get(Dead),
            stale: self.get(Stale),
            requeued: self.get(Requeued),
            overdue: self.get(Overdue),
            extended: self.get(Extended),
            leases_lost: self.get(LeasesLost),
            unknown: self.get(Unknown),
            recovered: self.get(Recovered),
            abandoned: self.get(Abandoned),
            in_flight: self.shared.in_flight.load(Ordering::Relaxed) as u64,
            unanswered: self.shared.unanswered.load(Ordering::Relaxed) as u64,
            concurrency: self.shared.concurrency.load(Ordering::Relaxed) as u64,
            streams: self.shared.streams.load(Ordering::Relaxed) as u64,
        }
    }

    pub(crate) fn add(&self, counter: Counter, count: usize) {
        if let Some(cell) = self.shared.counters.get(counter as usize) {
            cell.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_in_flight(&self, entries: usize) {
        self.shared.in_flight.store(entries, Ordering::Relaxed);
    }

    pub(crate) fn set_unanswered(&self, entries: usize) {
        self.shared.unanswered.store(entries, Ordering::Relaxed);
    }

    pub(crate) fn set_concurrency(&self, entries: usize) {
        self.shared.concurrency.store(entries, Ordering::Relaxed);
    }

    pub(crate) fn set_streams(&self, streams: usize) {
        self.shared.streams.store(streams, Ordering::Relaxed);
    }

    fn get(&self, counter: Counter) -> u64 {
        self.shared.counters.get(counter as usize).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}
