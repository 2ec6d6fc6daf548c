//! Judges a sale that has come to rest.

mod doubles;
mod ledger;
mod losses;
mod order;
mod stock;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{evidence::Evidence, observed::Kind};

/// Longest list of examples for one check.
const MOST_EXAMPLES: usize = 3;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must not be.
    pub name: &'static str,
    /// How often it was.
    pub faults: u64,
    /// What the number rests on.
    pub rests_on: &'static str,
    /// The first faults in words.
    pub examples: Vec<String>,
}

/// What was found of one kind.
#[derive(Debug, Default)]
pub(super) struct Found {
    faults: u64,
    examples: Vec<String>,
}

impl Found {
    fn add(&mut self, words: impl FnOnce() -> String) {
        self.add_some(1, words);
    }

    fn add_some(&mut self, faults: u64, words: impl FnOnce() -> String) {
        if faults > 0 {
            self.faults += faults;
            if self.examples.len() < MOST_EXAMPLES {
                self.examples.push(words());
            }
        }
    }

    fn check(self, name: &'static str, rests_on: &'static str) -> Check {
        Check { name, faults: self.faults, rests_on, examples: self.examples }
    }
}

/// Judges everything. All faults zero: the promise was kept.
pub fn check(evidence: &Evidence) -> Vec<Check> {
    let ours = evidence.orders.is_some();
    let told = "what buyers were told";
    let told_and_made = if ours { "buyers, and our order system" } else { told };
    let mut unanswered = Found::default();
    unanswered.add_some(evidence.unanswered, || "buyers asked to the end and had no answer".to_owned());
    vec![
        stock::oversold(evidence).check("oversold", told_and_made),
        losses::lost(evidence).check("lost", told_and_made),
        doubles::duplicated(evidence).check("duplicated", told_and_made),
        order::out_of_order(evidence).check(
            "out of order",
            if ours {
                "buyers, and first deliveries to our order system"
            } else {
                "the numbers that buyers got"
            },
        ),
        seen(evidence, Kind::Rose).check("positions that rose", told),
        seen(evidence, Kind::Wrong).check(
            "positions that are wrong",
            if ours {
                "bounds from what our order system had seen"
            } else {
                "no position is beyond the number"
            },
        ),
        seen(evidence, Kind::Stale).check("stale answers", told),
        ledger::wrong(evidence).check("ledger", "GetSale at the end, against what buyers were told"),
        unanswered.check("without an answer", told),
    ]
}

fn seen(evidence: &Evidence, kind: Kind) -> Found {
    Found { faults: evidence.observed.count(kind), examples: evidence.observed.examples(kind).to_vec() }
}
