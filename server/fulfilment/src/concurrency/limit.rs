//! The limit on entries that are with the order system.

use tokio::time::Instant;

use super::{
    round::{Round, Sample, Sent, Verdict},
    search::Search,
};

/// The limit on unanswered entries, over all sales and streams.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    search: Search,
    round: Round,
}

impl ConcurrencyLimit {
    /// Never goes above the ceiling, even for the sake of the floor.
    pub(crate) fn between(floor: usize, ceiling: usize) -> Self {
        Self { search: Search::between(floor.min(ceiling), ceiling), round: Round::default() }
    }

    /// Most entries that may be unanswered now.
    pub(crate) fn current(&self) -> usize {
        self.search.limit()
    }

    /// Most entries that may ever be unanswered.
    pub(crate) const fn ceiling(&self) -> usize {
        self.search.ceiling()
    }

    /// Most entries that may be unanswered, or answered and not settled: while a store is slow to take results, as many
    /// answers may pile up as the operator allows entries, and no more.
    pub(crate) fn with_unsettled(&self) -> usize {
        self.current().saturating_add(self.ceiling())
    }

    /// Entries were sent, and so many are unanswered now.
    pub(crate) fn on_sent(&mut self, unanswered: usize, now: Instant) {
        self.round.on_sent(unanswered, self.current(), now);
    }

    /// An entry is no longer unanswered.
    pub(crate) fn on_answer(&mut self, sent: Sent, verdict: Verdict, now: Instant) {
        match self.round.on_answer(sent, verdict, now, &self.search) {
            Sample::Incomplete => return,
            Sample::NotLimited => {}
            Sample::Score(score) => self.search.conclude(score),
            Sample::Collapse => self.search.collapse(),
        }
        self.round = Round::default();
    }
}
