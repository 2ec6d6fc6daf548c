//! What fulfilment has done so far, cheap to count and cheap to read.

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

/// The counters at one moment. All but `in_flight`, `unanswered`, `concurrency` and `streams` only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries claimed, every attempt counted.
    pub claimed: u64,
    /// Entries given to an order stream.
    pub sent: u64,
    /// Tickets settled with an order.
    pub ordered: u64,
    /// Tickets settled without one.
    pub rejected: u64,
    /// Attempts settled to be made again, those handed back included.
    pub retried: u64,
    /// Tickets that died with their last attempt here.
    pub dead: u64,
    /// Outcomes without effect, because the lease was lost or an earlier call had recorded them already.
    pub stale: u64,
    /// Entries handed back without an answer: their stream broke, the answer took too long, or the worker is ending.
    pub requeued: u64,
    /// Those of them that the order system took too long to answer.
    pub overdue: u64,
    /// Leases extended.
    pub extended: u64,
    /// Leases lost while their entry was unanswered.
    pub leases_lost: u64,
    /// Answers to entries nobody waits for any more.
    pub unknown: u64,
    /// Ended leases taken back, of any worker.
    pub recovered: u64,
    /// Outcomes that no store call could record, because the sale is gone or damaged.
    pub abandoned: u64,
    /// Entries that hold a place just now: unanswered, or answered and not settled yet.
    pub in_flight: u64,
    /// Those of them that are unanswered.
    pub unanswered: u64,
    /// Entries that may wait for the order system's answer just now.
    pub concurrency: u64,
    /// Order streams that are up just now.
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
    /// The counters now. Each is exact; together they are a moment apart.
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
