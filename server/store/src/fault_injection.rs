//! Stores with a planted fault, to prove that the checks of a run can fail.

use std::sync::Arc;

use inrush_core::{
    sale::{SaleId, SaleSettings},
    store::{
        Claim, ClaimRequest, ConfigureResult, LeaseToken, Outcome, Precondition, Settlement, Store,
        StoreError, decorator::StoreDecorator,
    },
};

/// The fault of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Admits twice as much as the cap allows.
    Overshoot,
    /// Admits and claims twice as much as the stock. An order system with a stock of its own prevents the worst.
    Oversell,
    /// Settles some tickets as ordered that were never sent to the order system.
    Drop,
    /// Claims neighbouring tickets in the wrong order.
    Swap,
}

/// One ticket in this many is dropped.
const DROP_INTERVAL: u64 = 50;

/// The same store with this fault.
pub fn inject_fault(store: Arc<dyn Store>, fault: Fault) -> Arc<dyn Store> {
    Arc::new(FaultyStore { store, fault })
}

struct FaultyStore {
    store: Arc<dyn Store>,
    fault: Fault,
}

impl FaultyStore {
    /// Removes some entries from the claim and settles them as ordered.
    async fn drop_entries(&self, sale: &SaleId, mut claim: Claim) -> Result<Claim, StoreError> {
        let fence = claim.fence;
        let dropped = claim.entries.extract_if(.., |claimed| claimed.seq % DROP_INTERVAL == 0);
        let settlements: Vec<Settlement> = dropped
            .map(|claimed| Settlement {
                lease_token: LeaseToken { seq: claimed.seq, fence },
                outcome: Outcome::Ordered { order_id: "never-created".to_owned() },
            })
            .collect();
        if !settlements.is_empty() {
            self.store.settle(sale, &settlements).await?;
        }
        Ok(claim)
    }
}

impl StoreDecorator for FaultyStore {
    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    fn around_own_connection(&self, store: Arc<dyn Store>) -> Self {
        Self { store, fault: self.fault }
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
            Fault::Drop => self.drop_entries(sale, claim).await,
            Fault::Swap => {
                claim.entries.reverse();
                Ok(claim)
            }
        }
    }
}
