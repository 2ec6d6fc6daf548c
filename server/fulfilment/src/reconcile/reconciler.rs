//! Settles tickets whose order the store has forgotten, one sale after the other.

use std::sync::Arc;

use inrush_core::{
    SaleId, Store, StoreError,
    store::{Finding, KnownOrder, MAX_BATCH},
};
use inrush_proto::v1;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    order_list::{ListError, OrderList, known_order},
    rises::Rises,
};
use crate::{log_throttle::LogThrottle, settings::Backoff};

/// Reads the order system's list of each sale whose epoch has risen.
pub(crate) struct Reconciler {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) orders: OrderList,
    pub(crate) backoff: Backoff,
    pub(crate) rises: Rises,
}

/// Why a sale cannot be reconciled.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    orders: u64,
    /// Tickets that were settled now.
    settled: u64,
    /// Differences that only an operator can decide.
    unclear: u64,
}

impl Reconciler {
    /// Runs until cancelled. Reconciling can be repeated, so it can be interrupted.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<SaleId>, stop: CancellationToken) {
        let (mut failures, mut throttle) = (0_u32, LogThrottle::default());
        let work = async {
            while let Some(sale) = queue.recv().await {
                let Err(error) = self.reconcile(&sale).await else {
                    failures = 0;
                    continue;
                };
                if self.may_retry(&sale, &error, &mut throttle) {
                    failures = failures.saturating_add(1);
                    sleep(self.backoff.delay(failures)).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Says why a sale could not be reconciled. One that may be later gets its turn again after the others.
    fn may_retry(&self, sale: &SaleId, error: &ReconcileError, throttle: &mut LogThrottle) -> bool {
        match error {
            ReconcileError::Store(StoreError::SaleNotFound(_)) => return false,
            ReconcileError::List(ListError::Unimplemented) => {
                tracing::info!(
                    %sale,
                    "the epoch has risen, and the order system does not implement ListOrders: tickets whose order the \
                     store has forgotten are not settled; `inrush sale audit --orders FILE.csv --repair` does it by hand"
                );
                return false;
            }
            error if !error.may_pass() => {
                tracing::error!(
                    %sale, %error,
                    "the epoch has risen, and the orders cannot be read: tickets whose order the store has forgotten are \
                     not settled; run `inrush sale audit`"
                );
                return false;
            }
            ReconcileError::List(_) | ReconcileError::Store(_) => {}
        }
        if throttle.allow(Instant::now()) {
            tracing::warn!(
                %sale, %error,
                "the epoch has risen, and the orders cannot be read now: retrying; until then the queue may give units to \
                 others that have an order"
            );
        }
        self.rises.forget(sale);
        true
    }

    async fn reconcile(&self, sale: &SaleId) -> Result<(), ReconcileError> {
        let created_at = self.store.sale(sale).await?.created_at;
        let mut pages = self.orders.pages(sale, created_at);
        let mut counts = Counts::default();
        while let Some(orders) = pages.next().await? {
            self.settle(sale, &orders, &mut counts).await?;
        }
        log(sale, counts);
        Ok(())
    }

    async fn settle(
        &self,
        sale: &SaleId,
        orders: &[v1::KnownOrder],
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        let known: Vec<KnownOrder> = orders.iter().filter_map(|order| known_order(sale, order)).collect();
        counts.orders += orders.len() as u64;
        counts.unclear += (orders.len() - known.len()) as u64;
        for batch in known.chunks(MAX_BATCH) {
            for finding in self.store.reconcile(sale, batch, true).await? {
                match finding {
                    Finding::Settled { .. } => counts.settled += 1,
                    Finding::Same | Finding::Pending => {}
                    Finding::OtherOrder
                    | Finding::OtherBuyer
                    | Finding::ReleasedOnlyHere
                    | Finding::EndedHere
                    | Finding::Ahead
                    | Finding::Foreign
                    | Finding::Repeated
                    | Finding::Unreadable => counts.unclear += 1,
                }
            }
        }
        Ok(())
    }
}

impl ReconcileError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => !matches!(error, StoreError::Corrupt(_) | StoreError::SaleNotFound(_)),
            Self::List(error) => error.may_pass(),
        }
    }
}

fn log(sale: &SaleId, Counts { orders, settled, unclear }: Counts) {
    if settled > 0 || unclear > 0 {
        tracing::warn!(
            %sale, orders, settled, unclear,
            "the epoch has risen: tickets whose order the store had forgotten are settled; `inrush sale audit` shows \
             what is unclear"
        );
    } else {
        tracing::info!(%sale, orders, "the epoch has risen: the store knows all orders of the order system");
    }
}
