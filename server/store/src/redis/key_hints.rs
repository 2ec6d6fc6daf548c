//! The last known state of each sale's queue. A script's keys depend on the current state.
//!
//! A script that is called with the keys of another state does nothing and replies with the current one, so an outdated
//! hint costs one more round trip and nothing else.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use inrush_core::{sale::SaleId, store::StoreError, ticket::Seq};

use super::{keys, reply::Reply};

/// Upper bound on the sales with hints. Above it all hints are dropped.
const MAX_HINTS: usize = 20_000;

/// The state of a queue, as far as key names depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueState {
    /// The number of hashes that the sale's buyers are spread over.
    pub(super) buckets: u64,
    /// The last seq assigned.
    pub(super) last_seq: Seq,
    /// The last seq claimed or skipped.
    pub(super) cursor: Seq,
    /// How many seqs were ever cancelled.
    pub(super) cancelled: u64,
}

impl QueueState {
    /// An empty queue, the hint for an unknown sale.
    const NEW: Self = Self { buckets: 0, last_seq: 0, cursor: 0, cancelled: 0 };

    /// Reads the state that a reply begins with after its code, for scripts whose keys depend on it.
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

    /// The segment of the next seq.
    pub(super) const fn admit_segment(self) -> u64 {
        keys::segment_of(self.last_seq + 1)
    }

    /// The page that logs the next buyer.
    pub(super) const fn admit_page(self) -> u64 {
        keys::page_of(self.last_seq + 1)
    }
}

/// The hints of all sales.
#[derive(Default)]
pub(super) struct KeyHints {
    queues: Mutex<HashMap<SaleId, QueueState>>,
    /// Sales whose admissions wait for a replica.
    replicated: Mutex<HashSet<SaleId>>,
}

impl KeyHints {
    /// The hint for a sale.
    pub(super) fn get(&self, sale: &SaleId) -> QueueState {
        let queues = self.queues.lock();
        queues.get(sale).copied().unwrap_or(QueueState::NEW)
    }

    /// Sets the hint for a sale.
    pub(super) fn update(&self, sale: &SaleId, state: QueueState) {
        let mut hints = self.queues.lock();
        if let Some(hint) = hints.get_mut(sale) {
            *hint = state;
            return;
        }
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(sale.clone(), state);
    }

    /// Whether the sale's last reply was configured for [`Durability::Replicated`](inrush_core::Durability::Replicated).
    pub(super) fn is_replicated(&self, sale: &SaleId) -> bool {
        self.replicated.lock().contains(sale)
    }

    /// Sets whether admissions of the sale wait for a replica.
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
    fn the_last_known_state_is_the_hint() {
        let (hints, sale) = (KeyHints::default(), "s".parse().unwrap());
        assert_eq!(hints.get(&sale), QueueState::NEW);
        let state = QueueState { buckets: 16, last_seq: 5000, cursor: 4095, cancelled: 1 };
        hints.update(&sale, state);
        assert_eq!(hints.get(&sale), state);
        assert_eq!((state.claim_segment(), state.admit_segment(), state.admit_page()), (0, 1, 0));
    }

    #[test]
    fn the_number_of_hints_is_bounded() {
        let hints = KeyHints::default();
        for number in 0..=MAX_HINTS {
            hints.update(&format!("s{number}").parse().unwrap(), QueueState::NEW);
        }
        assert_eq!(hints.queues.lock().len(), 1);
    }

    #[test]
    fn whether_a_sale_is_replicated_is_cached_until_it_changes() {
        let (hints, sale) = (KeyHints::default(), "s".parse().unwrap());
        assert!(!hints.is_replicated(&sale));
        hints.set_replicated(&sale, true);
        assert!(hints.is_replicated(&sale));
        hints.set_replicated(&sale, false);
        assert!(!hints.is_replicated(&sale));
    }
}
