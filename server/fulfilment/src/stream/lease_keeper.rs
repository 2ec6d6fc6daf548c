//! Extends the leases of unanswered entries before they expire, so that no other worker gets an entry that
//! the order system still works on. Entries past their answer deadline are requeued instead.

use std::{collections::HashMap, sync::Arc};

use inrush_core::{
    SaleId, Store, StoreError,
    store::{LeaseToken, MAX_BATCH},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    settle::requeuer::Requeuer,
    statistics::{Counter, Statistics},
    stream::in_flight_table::DueLease,
    stream::in_flight_window::InFlightWindow,
};

/// Extends the leases of the entries in the window.
pub(crate) struct LeaseKeeper {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) window: Arc<InFlightWindow>,
    pub(crate) requeuer: Requeuer,
    pub(crate) statistics: Statistics,
    /// The fraction of a lease after which it is extended.
    pub(crate) lease_extend_ratio: f64,
}

impl LeaseKeeper {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.run_until_dropped() => {}
        }
    }

    async fn run_until_dropped(&mut self) {
        loop {
            let due = self.window.take_due(Instant::now());
            self.requeuer.overdue(due.overdue).await;
            for (sale, leases) in by_sale(due.leases) {
                for batch in leases.chunks(MAX_BATCH) {
                    self.extend(&sale, batch).await;
                }
            }
            tokio::select! {
                () = self.window.earlier_deadline() => {}
                () = sleep_until(due.next.unwrap_or_else(Instant::now)), if due.next.is_some() => {}
            }
        }
    }

    /// A failed call is repeated when the leases are due again, which is soon.
    async fn extend(&mut self, sale: &SaleId, leases: &[DueLease]) {
        let called_at = Instant::now();
        let names: Vec<LeaseToken> = leases.iter().map(|due| due.lease_token).collect();
        match self.store.extend(sale, &names).await {
            Ok(kept) => self.record_extensions(leases, &kept, called_at),
            Err(StoreError::SaleNotFound(_)) => {
                self.record_extensions(leases, &vec![false; leases.len()], called_at);
            }
            Err(error) => {
                tracing::debug!(%sale, leases = leases.len(), %error, "extending leases failed; retrying");
            }
        }
    }

    fn record_extensions(&self, leases: &[DueLease], kept: &[bool], called_at: Instant) {
        let (kept, lost): (Vec<_>, Vec<_>) = leases.iter().cloned().zip(kept).partition(|(_, kept)| **kept);
        self.statistics.add(Counter::Extended, kept.len());
        self.window.mark_extended(kept.into_iter().map(|(due, _)| {
            let renew_at = called_at + due.lease.mul_f64(self.lease_extend_ratio);
            (due, renew_at)
        }));
        let lost_entries = self.window.remove_lost(lost.into_iter().map(|(due, _)| due));
        if lost_entries > 0 {
            self.statistics.add(Counter::LeasesLost, lost_entries);
            tracing::warn!(leases = lost_entries, "leases lost while their entries were unanswered");
        }
    }
}

fn by_sale(leases: Vec<DueLease>) -> HashMap<SaleId, Vec<DueLease>> {
    let mut sales: HashMap<SaleId, Vec<DueLease>> = HashMap::new();
    for due in leases {
        sales.entry(due.sale.clone()).or_default().push(due);
    }
    sales
}
