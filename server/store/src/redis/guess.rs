//! Where each line stood when it was last heard of: which keys to name depends on where it stands now.
//!
//! A script that is called with the keys of another state does nothing and tells the state it found, so a wrong guess
//! costs one more round trip and nothing else.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use inrush_core::{sale::SaleId, store::StoreError, ticket::Seq};

use super::{keys, reply::Reply};

/// Most sales remembered. Beyond it everything is forgotten and learnt anew.
const MOST_GUESSES: usize = 20_000;

/// Where a line stands, as far as the names of keys depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineState {
    /// Over how many hashes the sale's buyers are spread.
    pub(super) buckets: u64,
    /// The last number given out.
    pub(super) last_seq: Seq,
    /// The last number claimed or skipped.
    pub(super) cursor: Seq,
    /// How many numbers were cancelled, ever.
    pub(super) cancelled: u64,
}

impl LineState {
    /// A new line, the guess for a sale never heard of.
    const NEW: Self = Self { buckets: 0, last_seq: 0, cursor: 0, cancelled: 0 };

    /// Reads the state that replies of scripts on a line begin with, after their code.
    pub(super) fn read(reply: &mut Reply) -> Result<Self, StoreError> {
        Ok(Self {
            buckets: reply.unsigned()?,
            last_seq: reply.unsigned()?,
            cursor: reply.unsigned()?,
            cancelled: reply.unsigned()?,
        })
    }

    /// The segment behind the cursor.
    pub(super) const fn claim_segment(self) -> u64 {
        keys::segment_of(self.cursor + 1)
    }

    /// The segment that the next number will be in.
    pub(super) const fn admit_segment(self) -> u64 {
        keys::segment_of(self.last_seq + 1)
    }

    /// The page that the next buyer will be logged in.
    pub(super) const fn admit_page(self) -> u64 {
        keys::page_of(self.last_seq + 1)
    }
}

/// What was last heard of each sale.
#[derive(Default)]
pub(super) struct Guesses {
    lines: Mutex<HashMap<SaleId, LineState>>,
    /// Sales whose admissions wait for a replica.
    replicated: Mutex<HashSet<SaleId>>,
}

impl Guesses {
    /// The best guess for a sale.
    pub(super) fn of(&self, sale: &SaleId) -> LineState {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(sale).copied().unwrap_or(LineState::NEW)
    }

    /// Remembers what was heard.
    pub(super) fn learn(&self, sale: &SaleId, state: LineState) {
        let mut guesses = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = guesses.get_mut(sale) {
            *known = state;
            return;
        }
        if guesses.len() >= MOST_GUESSES {
            guesses.clear();
        }
        guesses.insert(sale.clone(), state);
    }

    /// Whether a sale was last heard to want its admissions replicated.
    pub(super) fn is_replicated(&self, sale: &SaleId) -> bool {
        self.replicated.lock().unwrap_or_else(PoisonError::into_inner).contains(sale)
    }

    /// Remembers whether it does.
    pub(super) fn learn_replicated(&self, sale: &SaleId, replicated: bool) {
        let mut sales = self.replicated.lock().unwrap_or_else(PoisonError::into_inner);
        if sales.len() >= MOST_GUESSES {
            sales.clear();
        }
        if replicated {
            sales.insert(sale.clone());
        } else {
            sales.remove(sale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_state_heard_of_is_the_guess() {
        let (guesses, sale) = (Guesses::default(), "s".parse().unwrap());
        assert_eq!(guesses.of(&sale), LineState::NEW);
        let state = LineState { buckets: 16, last_seq: 5000, cursor: 4095, cancelled: 1 };
        guesses.learn(&sale, state);
        assert_eq!(guesses.of(&sale), state);
        assert_eq!((state.claim_segment(), state.admit_segment(), state.admit_page()), (0, 1, 0));
    }

    #[test]
    fn the_number_of_guesses_is_bounded() {
        let guesses = Guesses::default();
        for number in 0..=MOST_GUESSES {
            guesses.learn(&format!("s{number}").parse().unwrap(), LineState::NEW);
        }
        assert_eq!(guesses.lines.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_a_sale_wants_is_remembered_until_it_wants_something_else() {
        let (guesses, sale) = (Guesses::default(), "s".parse().unwrap());
        assert!(!guesses.is_replicated(&sale));
        guesses.learn_replicated(&sale, true);
        assert!(guesses.is_replicated(&sale));
        guesses.learn_replicated(&sale, false);
        assert!(!guesses.is_replicated(&sale));
    }
}
