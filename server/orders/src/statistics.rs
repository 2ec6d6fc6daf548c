//! Counters of the order system.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A handle on the counters; cheap to clone and to read while the system runs.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    counters: Arc<Counters>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders created.
    pub created: u64,
    /// Entries answered with an order that existed before.
    pub repeated: u64,
    /// Entries rejected.
    pub rejected: u64,
    /// Entries rejected because their ticket has an order of another buyer or of other units.
    pub ticket_conflicts: u64,
    /// Entries rejected because their buyer has a live order by another ticket.
    pub buyer_conflicts: u64,
    /// Entries answered with retry.
    pub retried: u64,
    /// Orders released because they were not paid.
    pub released: u64,
    /// Releases that the front has recorded.
    pub acknowledged: u64,
}

#[derive(Debug, Default)]
struct Counters {
    created: AtomicU64,
    repeated: AtomicU64,
    rejected: AtomicU64,
    ticket_conflicts: AtomicU64,
    buyer_conflicts: AtomicU64,
    retried: AtomicU64,
    released: AtomicU64,
    acknowledged: AtomicU64,
}

impl Statistics {
    /// Reads the counters. Each is exact; together they are not a snapshot of one instant.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            created: read(&self.counters.created),
            repeated: read(&self.counters.repeated),
            rejected: read(&self.counters.rejected),
            ticket_conflicts: read(&self.counters.ticket_conflicts),
            buyer_conflicts: read(&self.counters.buyer_conflicts),
            retried: read(&self.counters.retried),
            released: read(&self.counters.released),
            acknowledged: read(&self.counters.acknowledged),
        }
    }

    pub(crate) fn created(&self, repeated: bool) {
        add(if repeated { &self.counters.repeated } else { &self.counters.created }, 1);
    }

    pub(crate) fn rejected(&self) {
        add(&self.counters.rejected, 1);
    }

    pub(crate) fn ticket_conflict(&self) {
        add(&self.counters.ticket_conflicts, 1);
    }

    pub(crate) fn buyer_conflict(&self) {
        add(&self.counters.buyer_conflicts, 1);
    }

    pub(crate) fn retried(&self) {
        add(&self.counters.retried, 1);
    }

    pub(crate) fn released(&self, orders: u64) {
        add(&self.counters.released, orders);
    }

    pub(crate) fn acknowledged(&self, releases: u64) {
        add(&self.counters.acknowledged, releases);
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
