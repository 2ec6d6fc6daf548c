//! Which sales have to be reconciled: those whose epoch has risen since this worker reconciled them last.

use std::{collections::HashMap, sync::Arc};

use inrush_core::SaleId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Sales that wait to be reconciled. If more have risen, they are found again by their next claim or probe.
pub(crate) const MAX_QUEUED_RISES: usize = 1024;

/// The most sales whose epoch is remembered. Above it all are forgotten and reconciled once more.
const MAX_SALES: usize = 20_000;

/// Finds sales to reconcile in the replies of the store. Clones share what they have found.
#[derive(Clone)]
pub(crate) struct Rises {
    epochs: Arc<Mutex<HashMap<SaleId, u64>>>,
    queue: mpsc::Sender<SaleId>,
}

impl Rises {
    /// Rises are put into `queue`.
    pub(crate) fn new(queue: mpsc::Sender<SaleId>) -> Self {
        Self { epochs: Arc::default(), queue }
    }

    /// The sale has this epoch, which has risen so many times.
    pub(crate) fn see(&self, sale: &SaleId, epoch: u64, rises: u64) {
        if rises == 0 {
            return;
        }
        let mut epochs = self.epochs.lock();
        if epochs.get(sale) == Some(&epoch) || self.queue.try_send(sale.clone()).is_err() {
            return;
        }
        if epochs.len() >= MAX_SALES {
            epochs.clear();
        }
        epochs.insert(sale.clone(), epoch);
    }

    /// The sale could not be reconciled: its next claim or probe queues it again.
    pub(crate) fn forget(&self, sale: &SaleId) {
        self.epochs.lock().remove(sale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_queued_once_for_each_rise() {
        let (queue, mut queued) = mpsc::channel(2);
        let (rises, sale, other) = (Rises::new(queue), "a".parse().unwrap(), "b".parse().unwrap());
        rises.see(&sale, 7, 0);
        assert!(queued.try_recv().is_err());
        for (epoch, count) in [(8, 1), (8, 1), (9, 2), (9, 2)] {
            rises.see(&sale, epoch, count);
        }
        rises.see(&other, 5, 1);
        assert_eq!([queued.try_recv().unwrap(), queued.try_recv().unwrap()], [sale.clone(), sale]);
        rises.see(&other, 5, 1);
        assert_eq!(queued.try_recv().unwrap(), other, "one that found the queue full is found again");
        rises.see(&other, 5, 1);
        assert!(queued.try_recv().is_err());
        rises.forget(&other);
        rises.see(&other, 5, 1);
        assert_eq!(queued.try_recv().unwrap(), other, "one that failed is found again");
    }
}
