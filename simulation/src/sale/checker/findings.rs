//! The findings of a check.

use serde::Serialize;

/// Examples that are kept of one check.
const MAX_EXAMPLES: usize = 3;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The fault that is checked for.
    pub name: &'static str,
    /// The number of faults.
    pub faults: u64,
    /// The evidence of the number.
    pub rests_on: &'static str,
    /// The first faults in words.
    pub examples: Vec<String>,
}

/// The faults of one kind.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: u64,
    examples: Vec<String>,
}

impl Findings {
    pub(super) fn new(faults: u64, examples: Vec<String>) -> Self {
        Self { faults, examples }
    }

    pub(super) fn add(&mut self, words: impl FnOnce() -> String) {
        self.add_some(1, words);
    }

    pub(super) fn add_some(&mut self, faults: u64, words: impl FnOnce() -> String) {
        if faults > 0 {
            self.faults += faults;
            if self.examples.len() < MAX_EXAMPLES {
                self.examples.push(words());
            }
        }
    }

    pub(super) fn check(self, name: &'static str, rests_on: &'static str) -> Check {
        Check { name, faults: self.faults, rests_on, examples: self.examples }
    }
}
