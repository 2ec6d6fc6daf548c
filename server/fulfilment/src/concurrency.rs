//! How many entries may be with the order system at once: the one place that decides it.

/// The limit on unanswered entries, over all sales and streams.
///
/// It is the operator's ceiling. Adapting it to the order system (to its latency and errors) means changing
/// [`ConcurrencyLimit::current`] and nothing else: every claim asks it anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConcurrencyLimit {
    ceiling: usize,
}

impl ConcurrencyLimit {
    pub(crate) const fn fixed(ceiling: usize) -> Self {
        Self { ceiling }
    }

    /// Most entries that may be unanswered now.
    pub(crate) const fn current(self) -> usize {
        self.ceiling
    }

    /// Most entries that may be unanswered, or answered and not settled: while a store is slow to take results, one
    /// full load of answers may pile up behind one full load of entries, and no more.
    pub(crate) const fn with_unsettled(self) -> usize {
        self.ceiling.saturating_mul(2)
    }
}
