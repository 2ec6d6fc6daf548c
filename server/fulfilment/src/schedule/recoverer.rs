//! Reclaims expired leases of any worker.
//!
//! The bound of invariant I12: with one live replica, an expired lease is reclaimed within `recover_interval`
//! plus the time of one store call for every [`MAX_BATCH`](inrush_core::store::MAX_BATCH) leases that expired
//! earlier. A replica probes every sale with entries in flight when its next lease expires, and at least once
//! per `recover_interval`; announcements name these sales. If an announcement is lost undetected,
//! the sweep finds the sale: the bound is then longer by the number of sales divided by `sweep_rate`.
//!
//! Reclaiming is also how a sale is probed that was not announced: it costs one command, changes nothing if
//! no lease has expired, and returns the sale's backlog.

use std::sync::Arc;

use inrush_core::{SaleId, Store, StoreError, store::Backlog};

use crate::{
    metrics::WorkerMetrics,
    reconcile::rises::Rises,
    statistics::{Counter, Statistics},
};

/// Reclaims leases, any number of sales at a time.
#[derive(Clone)]
pub(crate) struct Recoverer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) statistics: Statistics,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) rises: Rises,
}

impl Recoverer {
    /// Reclaims a batch of expired leases and returns the sale's backlog. Refreshes the gauges of the sale as
    /// well, if they are due.
    pub(crate) async fn recover(&self, sale: &SaleId) -> Result<Backlog, StoreError> {
        let recovery = self.store.recover(sale).await?;
        self.rises.see(sale, recovery.epoch, recovery.rises);
        self.metrics.sale_gauges.on_probe(sale, &recovery.backlog);
        self.metrics.sale_gauges.refresh(&*self.store, sale).await;
        let expired = recovery.reclaimed + recovery.dead;
        if expired > 0 {
            let count = usize::try_from(expired).unwrap_or(usize::MAX);
            self.statistics.add(Counter::Recovered, count);
            self.metrics.recovered(sale, count);
            tracing::warn!(
                %sale,
                reclaimed = recovery.reclaimed,
                dead = recovery.dead,
                "reclaimed expired leases"
            );
        }
        Ok(recovery.backlog)
    }
}
