//! Counting calls that no answer shows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many calls ended in ways that no answer shows, since the node's start. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct CallCounts {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    cancelled: AtomicU64,
    shed: AtomicU64,
}

impl CallCounts {
    /// Calls whose callers hung up before the answer.
    #[must_use]
    pub fn cancelled(&self) -> u64 {
        self.counts.cancelled.load(Ordering::Relaxed)
    }

    /// Calls refused because the node had too many.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.counts.shed.load(Ordering::Relaxed)
    }

    pub(crate) fn count_shed(&self) {
        self.counts.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that counts as cancelled unless it is answered.
    pub(super) fn begin(&self) -> Unanswered<'_> {
        Unanswered { counts: &self.counts, answered: false }
    }
}

/// Counts itself as cancelled when it is dropped.
pub(super) struct Unanswered<'a> {
    counts: &'a Counts,
    answered: bool,
}

impl Unanswered<'_> {
    /// It was answered after all.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.counts.cancelled.fetch_add(1, Ordering::Relaxed);
        }
    }
}
