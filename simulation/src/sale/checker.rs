//! Checks a sale that has come to rest.

mod doubles;
mod findings;
mod ledger;
mod losses;
mod order;
mod stock;

#[cfg(test)]
mod tests;

use self::findings::Findings;
use super::{contradictions::Kind, evidence::Evidence};

pub use self::findings::Check;

/// What is checked of positions if the deliveries are unknown.
const ABOVE_SEQ: &str = "no position is above the seq";

/// Runs all checks. The sale was fair if none has faults.
pub fn check(evidence: &Evidence) -> Vec<Check> {
    let answers = "the answers that buyers got";
    let (answers_and_rows, answers_and_orders, bounds) = match &evidence.orders {
        None => (answers, "the seqs that buyers got", ABOVE_SEQ),
        Some(orders) if orders.may_reject => {
            ("buyers, and the order database", "buyers, and the order of creation", ABOVE_SEQ)
        }
        Some(_) => (
            "buyers, and the simulated order system",
            "buyers, and first deliveries",
            "bounds from deliveries",
        ),
    };
    let mut unanswered = Findings::default();
    unanswered.add_some(evidence.unanswered, || "buyers retried to the end and had no answer".to_owned());
    vec![
        stock::oversold(evidence).check("oversold", answers_and_rows),
        losses::lost(evidence).check("lost", answers_and_rows),
        doubles::duplicated(evidence).check("duplicated", answers_and_rows),
        order::out_of_order(evidence).check("out of order", answers_and_orders),
        seen(evidence, Kind::Rose).check("positions that rose", answers),
        seen(evidence, Kind::Wrong).check("positions that are wrong", bounds),
        seen(evidence, Kind::Stale).check("stale answers", answers),
        ledger::wrong(evidence).check("ledger", "the sale's ledger, and buyers"),
        unanswered.check("without an answer", answers),
    ]
}

fn seen(evidence: &Evidence, kind: Kind) -> Findings {
    Findings::new(evidence.contradictions.count(kind), evidence.contradictions.examples(kind).to_vec())
}
