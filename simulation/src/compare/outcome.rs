//! The outcomes of a rush.

use std::time::Duration;

use inrush_report::measure::Results;

/// How it ended for a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With an order that the buyer received.
    Served,
    /// With the answer that nothing is left.
    SoldOut,
    /// Without an answer: its retries are used up.
    GaveUp,
}

/// A buyer's outcome. Times are since the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BuyerOutcome {
    /// When it arrived.
    pub(super) arrived: Duration,
    /// When it left.
    pub(super) ended: Duration,
    /// How it ended.
    pub(super) end: End,
}

/// The outcomes of all buyers of a rush, and their calls.
#[derive(Debug)]
pub(super) struct RushResult {
    /// How it ended for each buyer.
    pub(super) outcomes: Vec<BuyerOutcome>,
    /// All calls.
    pub(super) calls: Results,
}
