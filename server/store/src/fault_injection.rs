//! Stores that are broken on purpose, to show that those who check a run can fail it.

use std::sync::Arc;

use async_trait::async_trait;
use inrush_core::{
    sale::{SaleId, SaleSettings, SaleSnapshot},
    store::{
        AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, Durability, LeaseToken, LookUpReply, Outcome, Precondition, Recovery, ReleaseResult,
        SettleResult, Settlement, Store, StoreError, StoreEvent,
    },
    ticket::Seq,
};
use tokio::sync::broadcast;

/// How a store is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Admits twice as much as the cap allows.
    Overshoot,
    /// Admits and hands out twice as much as there is. An order system with a stock of its own prevents the worst.
    Oversell,
    /// Calls some tickets ordered without ever handing them out.
    Drop,
    /// Hands neighbours in line out in the wrong order.
    Swap,
}

/// One ticket in this many is dropped.
const DROPPED: u64 = 50;

/// Breaks a store.
pub fn break_store(store: Arc<dyn Store>, fault: Fault) -> Arc<dyn Store> {
    Arc::new(BrokenStore { store, fault })
}

struct BrokenStore {
    store: Arc<dyn Store>,
    fault: Fault,
}

impl BrokenStore {
    /// Takes some entries out of the claim and settles them behind everybody's back.
    async fn drop_some(&self, sale: &SaleId, mut claim: Claim) -> Result<Claim, StoreError> {
        let fence = claim.fence;
        let dropped = claim.entries.extract_if(.., |claimed| claimed.seq % DROPPED == 0);
        let settlements: Vec<Settlement> = dropped
            .map(|claimed| Settlement {
                leased: LeaseToken { seq: claimed.seq, fence },
                outcome: Outcome::Ordered { order_id: "never-created".to_owned() },
            })
            .collect();
        if !settlements.is_empty() {
            self.store.settle(sale, &settlements).await?;
        }
        Ok(claim)
    }
}

#[async_trait]
impl Store for BrokenStore {
    fn backend(&self) -> &'static str {
        self.store.backend()
    }

    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(break_store(self.store.with_own_connection().await?, self.fault))
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        let mut settings = settings.clone();
        if matches!(self.fault, Fault::Overshoot | Fault::Oversell) {
            settings.cap = Some(settings.effective_cap() * 2);
        }
        if self.fault == Fault::Oversell {
            settings.stock = settings.stock.map(|stock| stock * 2);
        }
        self.store.configure(sale, &settings, precondition).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        let mut claim = self.store.claim(sale, request).await?;
        match self.fault {
            Fault::Overshoot | Fault::Oversell => Ok(claim),
            Fault::Drop => self.drop_some(sale, claim).await,
            Fault::Swap => {
                claim.entries.reverse();
                Ok(claim)
            }
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        self.store.supports_durability(durability).await
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.store.events()
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.store.sale(sale).await
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        self.store.sales(after, limit).await
    }

    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        self.store.sale_ids(after, limit).await
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.store.close(sale).await
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        self.store.delete(sale).await
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        self.store.admit(sale, requests).await
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError> {
        self.store.admitted_buyers(sale, after).await
    }

    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError> {
        self.store.look_up(sale, seqs).await
    }

    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError> {
        self.store.cancel(sale, seqs).await
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        self.store.extend(sale, leases).await
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        self.store.settle(sale, settlements).await
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        self.store.recover(sale).await
    }

    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError> {
        self.store.release(sale, seqs).await
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.store.dead_letters(sale, after, limit).await
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.store.redrive(sale, seqs).await
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.store.discard(sale, seqs).await
    }
}
