//! What every part of a process needs of a store, whichever port it uses.

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::error::StoreError;
use crate::sale::{SaleId, SaleSnapshot};

/// A handle on a store.
#[async_trait]
pub trait StoreHandle: Send + Sync + 'static {
    /// The kind of store: `redis` or `memory`.
    fn backend(&self) -> &'static str;

    /// Checks that the store is reachable and configured as Inrush needs it.
    async fn check(&self) -> Result<(), StoreError>;

    /// Events from now on.
    fn events(&self) -> broadcast::Receiver<StoreEvent>;

    /// Reads one sale.
    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError>;
}

/// What a store announces to its subscribers. Events can be lost: they save time, and nothing depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// A sale that had nothing to claim has something now.
    Work(SaleId),
    /// A sale may admit buyers that it refused before, or the other way round.
    Admission(SaleId),
    /// Events may have been lost: check every sale once.
    Missed,
}
