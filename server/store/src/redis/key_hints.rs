//! Where each line stood when it was last heard of: which keys to name depends on where it stands now.
//!
//! A script that is called with the keys of another state does nothing and tells the state it found, so a wrong hint
//! costs one more round trip and nothing else.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use inrush_core::{sale::SaleId, store::StoreError, ticket::Seq};

use super::{keys, reply::Reply};

/// Most sales remembered. Beyond it everything is forgotten and learnt anew.
const MAX_HINTS: usize = 20_000;

/// Where a line stands, as far as the names of keys depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueState {
    /// Over how many hashes the sale's buyers are spread.
    pub(super) buckets: u64,
    /// The last number given out.
    pub(super) last_seq: Seq,
    /// The last number claimed or skipped.
    pub(super) cursor: Seq,
    /// How many numbers were cancelled, ever.
    pub(super) cancelled: u64,
}

impl QueueState {
    /// A new line, the hint for a sale never heard of.
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
pub(super) struct KeyHints {
    lines: Mutex<HashMap<SaleId, QueueState>>,
    /// Sales whose admissions wait for a replica.
    replicated: Mutex<HashSet<SaleId>>,
}

impl KeyHints {
    /// The best hint for a sale.
    pub(super) fn get(&self, sale: &SaleId) -> QueueState {
        let lines = self.lines.lock();
        lines.get(sale).copied().unwrap_or(QueueState::NEW)
    }

    /// Remembers what was heard.
    pub(super) fn update(&self, sale: &SaleId, state: QueueState) {
        let mut hints = self.lines.lock();
        if let Some(known) = hints.get_mut(sale) {
            *known = state;
            return;
        }
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(sale.clone(), state);
    }

    /// Whether a sale was last heard to want its admissions replicated.
    pub(super) fn is_replicated(&self, sale: &SaleId) -> bool {
        self.replicated.lock().contains(sale)
    }

    /// Remembers whether it does.
    pub(super) fn set_replicated(&self, sale: &SaleId, replicated: bool) {
        let mut sales = self.replicated.lock();
        if sales.len() >= MAX_HINTS {
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
        let (hints, sale) = (KeyHints::default(), "s".parse().unwrap());
        assert_eq!(hints.get(&sale), QueueState::NEW);
        let state = QueueState { buckets: 16, last_seq: 5000, cursor: 4095, cancelled: 1 };
        hints.update(&sale, state);
        assert_eq!(hints.get(&sale), state);
        assert_eq!((state.claim_segment(), state.admit_segment(), state.admit_page()), (0, 1, 0));
    }

    #[test]
    fn the_number_of_guesses_is_bounded() {
        let hints = KeyHints::default();
        for number in 0..=MAX_HINTS {
            hints.update(&format!("s{number}").parse().unwrap(), QueueState::NEW);
        }
        assert_eq!(hints.lines.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_a_sale_wants_is_remembered_until_it_wants_something_else() {
        let (hints, sale) = (KeyHints::default(), "s".parse().unwrap());
        assert!(!hints.is_replicated(&sale));
        hints.set_replicated(&sale, true);
        assert!(hints.is_replicated(&sale));
        hints.set_replicated(&sale, false);
        assert!(!hints.is_replicated(&sale));
    }
}
