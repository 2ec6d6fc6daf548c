//! The last known state of each sale's queue. A script's keys depend on the current state.
//!
//! A script that is called with the keys of another state does nothing and replies with the current one, so an outdated
//! hint costs one more round trip and nothing else.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use inrush_core::{
    epochs::{Epochs, TicketRef},
    sale::SaleId,
    store::StoreError,
    ticket::Seq,
};

use super::{keys, reply::Reply};

/// Upper bound on the sales with hints. Above it all hints are dropped.
const MAX_HINTS: usize = 20_000;

/// What one rise of the epoch adds to the holes of a queue; `lua/include/queue.lua` has the same.
const RISE: u64 = 1 << 33;

/// The state of a queue, as far as key names depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueState {
    /// The present epoch.
    pub(super) epoch: u64,
    /// The number of hashes that the sale's buyers are spread over.
    pub(super) buckets: u64,
    /// The last seq assigned.
    pub(super) last_seq: Seq,
    /// The last seq claimed or skipped.
    pub(super) cursor: Seq,
    /// 0 if every seq behind the cursor has a ticket that waits.
    pub(super) holes: u64,
    /// How many buyers were ever admitted.
    pub(super) admitted: u64,
}

impl QueueState {
    /// An empty queue, the hint for an unknown sale.
    const NEW: Self = Self { epoch: 0, buckets: 0, last_seq: 0, cursor: 0, holes: 0, admitted: 0 };

    /// Reads the state that a reply begins with after its code, for scripts whose keys depend on it.
    pub(super) fn read(reply: &mut Reply) -> Result<Self, StoreError> {
        Ok(Self {
            epoch: reply.unsigned()?,
            buckets: reply.unsigned()?,
            last_seq: reply.unsigned()?,
            cursor: reply.unsigned()?,
            holes: reply.unsigned()?,
            admitted: reply.unsigned()?,
        })
    }

    /// The latest ticket of this state.
    pub(super) const fn latest(self) -> TicketRef {
        TicketRef { epoch: self.epoch, seq: self.last_seq }
    }

    /// How often the epoch has risen.
    pub(super) const fn rises(self) -> u64 {
        self.holes / RISE
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
        keys::page_of(self.admitted + 1)
    }
}

/// The hints of all sales.
#[derive(Default)]
pub(super) struct KeyHints {
    queues: Mutex<HashMap<SaleId, QueueState>>,
    /// The epochs of sales that have had more than one.
    epochs: Mutex<HashMap<SaleId, Epochs>>,
    /// Sales whose admissions wait for a replica.
    replicated: Mutex<HashSet<SaleId>>,
}

impl KeyHints {
    /// The hint for a sale.
    pub(super) fn get(&self, sale: &SaleId) -> QueueState {
        let queues = self.queues.lock();
        queues.get(sale).copied().unwrap_or(QueueState::NEW)
    }

    /// Sets the hint for a sale, unless a later state is known: replies of several connections come in any order.
    pub(super) fn update(&self, sale: &SaleId, state: QueueState) {
        let mut hints = self.queues.lock();
        if let Some(hint) = hints.get_mut(sale) {
            if state.latest() >= hint.latest() {
                *hint = state;
            }
            return;
        }
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(sale.clone(), state);
    }

    /// The sale's epochs, as far as they are known; `None` if it had only one.
    pub(super) fn epochs(&self, sale: &SaleId) -> Option<Epochs> {
        self.epochs.lock().get(sale).cloned()
    }

    /// Sets the epochs of a sale that has had more than one.
    pub(super) fn set_epochs(&self, sale: &SaleId, epochs: &Epochs) {
        let mut known = self.epochs.lock();
        if known.get(sale).is_some_and(|known| known.present() >= epochs.present()) {
            return;
        }
        if known.len() >= MAX_HINTS {
            known.clear();
        }
        known.insert(sale.clone(), epochs.clone());
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
        let state =
            QueueState { epoch: 1, buckets: 16, last_seq: 5000, cursor: 4095, holes: 1, admitted: 5000 };
        hints.update(&sale, state);
        assert_eq!(hints.get(&sale), state);
        assert_eq!((state.claim_segment(), state.admit_segment(), state.admit_page()), (0, 1, 0));
        assert_eq!((state.rises(), QueueState { holes: 2 * RISE + 1, ..state }.rises()), (0, 2));
        assert!(include_str!("lua/include/queue.lua").contains(&format!("local RISE = {RISE}\n")));
    }

    #[test]
    fn a_reply_that_comes_late_changes_no_hint() {
        let (hints, sale) = (KeyHints::default(), "s".parse().unwrap());
        let later = QueueState { epoch: 2, last_seq: 7, ..QueueState::NEW };
        hints.update(&sale, later);
        hints.update(&sale, QueueState { last_seq: 6, ..later });
        hints.update(&sale, QueueState { epoch: 1, last_seq: 9, ..later });
        assert_eq!(hints.get(&sale), later);
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
