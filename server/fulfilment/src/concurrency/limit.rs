//! The limit on entries that are with the order system.

use tokio::time::Instant;

use super::{
    round::{AnswerKind, Round, Sample, Sent},
    search::Search,
};

/// The limit on unanswered entries, over all sales and streams.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    search: Search,
    round: Round,
}

impl ConcurrencyLimit {
    /// If the bounds contradict each other, the ceiling wins.
    pub(crate) fn between(floor: usize, ceiling: usize) -> Self {
        Self { search: Search::between(floor.min(ceiling), ceiling), round: Round::default() }
    }

    /// The number of entries that may be unanswered now.
    pub(crate) fn current(&self) -> usize {
        self.search.limit()
    }

    /// The number of entries that may ever be unanswered.
    pub(crate) const fn ceiling(&self) -> usize {
        self.search.ceiling()
    }

    /// The number of entries that may be unanswered or unsettled: while the store is slow to record outcomes,
    /// no more of them pile up than entries are allowed by the ceiling.
    pub(crate) fn with_unsettled(&self) -> usize {
        self.current().saturating_add(self.ceiling())
    }

    /// Entries were sent; `unanswered` is the number of unanswered entries now.
    pub(crate) fn on_sent(&mut self, unanswered: usize, now: Instant) {
        self.round.on_sent(unanswered, self.current(), now);
    }

    /// An entry was answered, or has to be sent again.
    pub(crate) fn on_answer(&mut self, sent: Sent, kind: AnswerKind, now: Instant) {
        match self.round.on_answer(sent, kind, now, &self.search) {
            Sample::Incomplete => return,
            Sample::NotLimited => {}
            Sample::Score(score) => self.search.conclude(score),
            Sample::Collapse => self.search.collapse(),
        }
        self.round = Round::default();
    }
}
