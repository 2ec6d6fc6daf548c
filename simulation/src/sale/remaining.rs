//! The results of the buyers when a sale has ended.

use inrush_report::measure::{Latencies, Results};

use super::{contradictions::Contradictions, ticket::Ticket};
use crate::buyer::Buyer;

/// The results of the buyers of a thread, or of all threads.
#[derive(Debug)]
pub struct Remaining {
    /// Every ticket that a buyer got.
    pub tickets: Vec<Ticket>,
    /// Buyers who may have a ticket that they do not know of.
    pub unresolved: Vec<Buyer>,
    /// Contradictions.
    pub contradictions: Contradictions,
    /// What was measured.
    pub measures: Measures,
}

/// What was measured of buyers.
#[derive(Debug)]
pub struct Measures {
    /// Latencies of Enqueue.
    pub enqueues: Results,
    /// Latencies of PollStatus.
    pub polls: Results,
    /// Latencies of other calls.
    pub others: Results,
    /// From a buyer's arrival to its final answer.
    pub final_answers: Latencies,
    /// Positions of some tickets over time: number, seconds since the opening, position.
    pub tracks: Vec<(u64, f64, u64)>,
}

impl Remaining {
    /// Adds the results of another thread.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.tickets.extend(other.tickets);
        self.unresolved.extend(other.unresolved);
        self.contradictions.merge(other.contradictions);
        self.measures.merge(other.measures);
        self
    }
}

impl Measures {
    fn merge(&mut self, other: Self) {
        self.enqueues.merge(other.enqueues);
        self.polls.merge(other.polls);
        self.others.merge(other.others);
        self.final_answers.merge(&other.final_answers);
        self.tracks.extend(other.tracks);
    }

    /// Calls that were sent later than planned, because the load tool was too slow.
    pub fn late(&self) -> u64 {
        self.enqueues.late + self.polls.late + self.others.late
    }
}
