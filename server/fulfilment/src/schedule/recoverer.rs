//! Taking back leases that have ended, of any worker.
//!
//! The bound of invariant I12: with one live replica, a lease that has ended is taken back within `recover_interval`
//! plus the time of one store call for every [`MAX_BATCH`](inrush_core::store::MAX_BATCH) leases that ended earlier.
//! A replica looks at every sale in which something is in flight at the time its next lease ends, and at least once per
//! `recover_interval`; it knows those sales from announcements. Should an announcement be lost without the store
//! noticing, the sweep finds the sale: the bound is then longer by the number of sales divided by `sweep_rate`.
//!
//! Taking back is also how a sale is looked at that nobody has announced: it costs one command, changes nothing where
//! no lease has ended, and tells what there is to do.

use std::sync::Arc;

use inrush_core::{SaleId, Store, StoreError, store::Backlog};

use crate::{
    metrics::WorkerMetrics,
    statistics::{Counter, Statistics},
};

/// Takes leases back, any number of sales at a time.
#[derive(Clone)]
pub(crate) struct Recoverer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) statistics: Statistics,
    pub(crate) metrics: WorkerMetrics,
}

impl Recoverer {
    /// Takes a batch of ended leases back and tells what the sale still has to do. Along with that the sale is read for those
    /// who watch it, if there is anything to see.
    pub(crate) async fn recover(&self, sale: &SaleId) -> Result<Backlog, StoreError> {
        let recovery = self.store.recover(sale).await?;
        self.metrics.sale_gauges.on_probe(sale, &recovery.backlog);
        self.metrics.sale_gauges.refresh(&*self.store, sale).await;
        let taken_back = recovery.reclaimed + recovery.dead;
        if taken_back > 0 {
            let count = usize::try_from(taken_back).unwrap_or(usize::MAX);
            self.statistics.add(Counter::Recovered, count);
            self.metrics.recovered(sale, count);
            tracing::warn!(
                %sale,
                reclaimed = recovery.reclaimed,
                dead = recovery.dead,
                "took back leases that ended without an answer"
            );
        }
        Ok(recovery.backlog)
    }
}
