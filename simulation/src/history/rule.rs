//! The rules, and how a broken one is reported.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::model::Nanos;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What happened, in words, with the calls that show it.
    pub what: String,
    /// The time around which to look.
    pub at: Nanos,
    /// The buyers to look at.
    pub buyers: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// The rules that `check` checks: the invariants of the design, and what must hold whatever the store forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rule {
    /// Units held never exceed the cap, units with an order never exceed the stock.
    I1,
    /// An acknowledged ticket reaches a final state.
    I2,
    /// No ticket exists without a request.
    I3,
    /// A buyer has at most one live ticket, and one live order.
    I4,
    /// Seqs are unique and rise.
    I5,
    /// First claims follow the seqs.
    I6,
    /// A position does not rise, and is at least 1 while its ticket waits.
    I7,
    /// A ticket has one final state and at most one order.
    I8,
    /// A stale fence has no effect.
    I9,
    /// Of a cancellation and a claim one wins.
    I10,
    /// PROCESSING means that a lease exists.
    I11,
    /// An expired lease is reclaimed.
    I12,
    /// The ledger balances.
    I13,
    /// A lost script cache never reaches a caller.
    I15,
    /// The queue drains, and the stock is sold.
    I16,
    /// A place that was given to one buyer is never given to another.
    OnePlaceOneBuyer,
    /// No buyer learns of another's order.
    OrdersArePrivate,
    /// A ticket is lost only by a loss that its level does not survive.
    Durability,
    /// A lost ticket that comes back keeps its name and its place.
    Restore,
}

impl Rule {
    /// All rules. I14 is that the others hold in a run with crashes.
    pub const ALL: [Self; 19] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
        Self::I12,
        Self::I13,
        Self::I15,
        Self::I16,
        Self::OnePlaceOneBuyer,
        Self::OrdersArePrivate,
        Self::Durability,
        Self::Restore,
    ];

    /// What it says.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::I1 => "units held never exceed the cap, units with an order never exceed the stock",
            Self::I2 => "an acknowledged ticket reaches a final state",
            Self::I3 => "no ticket exists without a request",
            Self::I4 => "a buyer has at most one live ticket and one live order",
            Self::I5 => "seqs are unique and rise",
            Self::I6 => "first claims follow the seqs",
            Self::I7 => "a position does not rise, and is at least 1 while its ticket waits",
            Self::I8 => "a ticket has one final state and at most one order",
            Self::I9 => "a stale fence has no effect",
            Self::I10 => "of a cancellation and a claim one wins",
            Self::I11 => "PROCESSING means that a lease exists",
            Self::I12 => "an expired lease is reclaimed",
            Self::I13 => "the ledger balances",
            Self::I15 => "a lost script cache never reaches a caller",
            Self::I16 => "the queue drains, and the stock is sold",
            Self::OnePlaceOneBuyer => "a place that was given to one buyer is never given to another",
            Self::OrdersArePrivate => "no buyer learns of another's order",
            Self::Durability => "a ticket is lost only by a loss that its level does not survive",
            Self::Restore => "a lost ticket that comes back keeps its name and its place",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.text())
    }
}
