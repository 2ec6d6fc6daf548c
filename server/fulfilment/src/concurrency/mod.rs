//! How many entries may be with the order system at once: the one place that decides it.
//!
//! Every order system has a knee. Up to it, more entries at once bring more orders in the same time; beyond it they only
//! wait inside the order system, or slow it down. Where the knee is depends on the hour, so the limit is found by trying,
//! between a floor and the operator's ceiling.
//!
//! A try is judged by the latency gradient: if a few more entries at once make each take longer in the same proportion,
//! nothing was gained. TCP Vegas (Brakmo and Peterson, 1995) and the `Gradient2Limit` of Netflix's concurrency-limits
//! compare the latency with a baseline that they remember. That does not fit here, for two reasons. A flash sale never lets
//! up, so a baseline that follows the latency (`Gradient2Limit`) follows it up to the ceiling. And an order system that
//! writes what it has in one transaction takes longer the more it has, while it creates more orders, which looks like a
//! queue to one that remembers the shortest latency (Vegas). So the limit compares only what it has just seen with what it
//! sees after a small change, and keeps the better of the two: a pattern search (Hooke and Jeeves, 1961), in [`search`],
//! over rounds of answers that are scored in [`round`] by Kleinrock's power with more weight on the rate (1979).
//!
//! It is a plain data structure that is told what happens and when.

use tokio::time::Instant;

use self::{
    round::{Finding, Round},
    search::Search,
};

mod round;
mod search;
#[cfg(test)]
mod simulated;

/// When an entry was sent, and among how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    /// Entries that were unanswered then, itself included.
    pub(crate) alongside: usize,
}

/// What became of an entry that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The order system has dealt with it, by an order or by refusing one.
    Done,
    /// It has to be sent again: asked for, not answered in time, or the stream broke.
    Again,
}

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
    pub(crate) fn sent(&mut self, unanswered: usize, now: Instant) {
        self.round.sent(unanswered, self.current(), now);
    }

    /// An entry is no longer unanswered.
    pub(crate) fn heard(&mut self, sent: Sent, verdict: Verdict, now: Instant) {
        match self.round.heard(sent, verdict, now, &self.search) {
            Finding::Nothing => return,
            Finding::NotLimited => {}
            Finding::Score(score) => self.search.conclude(score),
            Finding::Collapse => self.search.collapse(),
        }
        self.round = Round::default();
    }
}
