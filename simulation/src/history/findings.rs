//! The violations that were found so far.

use super::{
    model::Nanos,
    rule::{Rule, Violation},
};

/// Upper bound on the violations of one rule that are kept.
const MAX_VIOLATIONS: usize = 10;

/// The violations that were found so far; a few of each rule, since one defect can break a rule for every ticket.
#[derive(Debug, Default)]
pub(super) struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    pub(super) fn add(&mut self, rule: Rule, at: Nanos, buyers: &[&str], what: impl FnOnce() -> String) {
        if self.violations.iter().filter(|violation| violation.rule == rule).count() < MAX_VIOLATIONS {
            let buyers = buyers.iter().map(|&buyer| buyer.to_owned()).collect();
            self.violations.push(Violation { rule, what: what(), at, buyers });
        }
    }

    /// The violations in the order of the rules, of each rule the earliest first.
    pub(super) fn into_violations(mut self) -> Vec<Violation> {
        self.violations.sort_by_key(|violation| (violation.rule, violation.at));
        self.violations
    }
}
