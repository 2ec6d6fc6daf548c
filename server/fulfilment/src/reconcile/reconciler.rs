//! Settles tickets whose order the store has forgotten, one sale after the other.

use std::sync::Arc;

use inrush_core::{
    SaleId, Store, StoreError, Timestamp,
    store::{Finding, KnownOrder, MAX_BATCH},
};
use inrush_proto::v1;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::order_list::{ListError, OrderList, OrderPage, known_order};
use crate::settings::Backoff;

/// Reads the order system's list of each sale whose epoch has risen.
pub(crate) struct Reconciler {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) orders: OrderList,
    pub(crate) backoff: Backoff,
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
    pub(crate) async fn run(self, mut rises: mpsc::Receiver<SaleId>, stop: CancellationToken) {
        let work = async {
            while let Some(sale) = rises.recv().await {
                self.reconcile_until_done(&sale).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Repeats while the order system or the store is unavailable.
    async fn reconcile_until_done(&self, sale: &SaleId) {
        let mut failures = 0_u32;
        loop {
            match self.reconcile(sale).await {
                Ok(counts) => return log(sale, counts),
                Err(ReconcileError::Store(StoreError::SaleNotFound(_))) => return,
                Err(ReconcileError::List(ListError::Unimplemented)) => {
                    tracing::info!(
                        %sale,
                        "the epoch has risen, and the order system does not implement ListOrders: tickets whose order the \
                         store has forgotten are not settled; `inrush sale audit --orders FILE.csv --repair` does it by hand"
                    );
                    return;
                }
                Err(error) if !error.may_pass() => {
                    tracing::error!(
                        %sale, %error,
                        "orders that the store may have forgotten cannot be read; run `inrush sale audit`"
                    );
                    return;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::debug!(%sale, %error, "reconciling failed; retrying");
                    sleep(self.backoff.delay(failures)).await;
                }
            }
        }
    }

    async fn reconcile(&self, sale: &SaleId) -> Result<Counts, ReconcileError> {
        let created_at = self.store.sale(sale).await?.created_at;
        let (mut counts, mut after) = (Counts::default(), String::new());
        loop {
            let OrderPage { orders, next } = self.page(sale, created_at, after).await?;
            self.settle(sale, &orders, &mut counts).await?;
            if next.is_empty() {
                return Ok(counts);
            }
            after = next;
        }
    }

    async fn page(
        &self,
        sale: &SaleId,
        created_at: Timestamp,
        after: String,
    ) -> Result<OrderPage, ListError> {
        let page = self.orders.page(sale, created_at, after.clone()).await?;
        if page.next == after && !after.is_empty() {
            let status = tonic::Status::internal("a page names itself as the next one");
            return Err(ListError::Failed(Box::new(status)));
        }
        Ok(page)
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
            Self::List(ListError::Unimplemented) => false,
            Self::List(ListError::Failed(status)) => !matches!(
                status.code(),
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::FailedPrecondition
                    | Code::OutOfRange
                    | Code::Internal
                    | Code::DataLoss
            ),
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
