//! The port of operators: sales created, changed, listed, closed and deleted, and dead letters.

use async_trait::async_trait;

use super::{durability::Durability, error::StoreError, handle::StoreHandle};
use crate::{
    entry::ClaimedEntry,
    sale::{SaleId, SaleSettings, SaleSnapshot},
    ticket::Seq,
};

/// What operators need of a store.
#[async_trait]
pub trait AdminStore: StoreHandle {
    /// Whether this store, as it is configured now, provides this durability.
    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError>;

    /// Writes a sale's settings, all of them, if `precondition` holds. The caller has validated them.
    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError>;

    /// Up to `limit` sales in the order of their ids, from the first after `after`.
    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError>;

    /// Closes a sale for good: tickets that were never claimed expire. Retries and what is in flight are finished.
    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError>;

    /// Deletes a closed sale in which nothing is in flight, to be retried or dead.
    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError>;

    /// Up to `limit` dead tickets in the order of their seqs, from the first after `after`.
    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// Requeues dead tickets with all attempts before them; false where a ticket was not dead. At most
    /// [`MAX_BATCH`](super::MAX_BATCH).
    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError>;

    /// Rejects dead tickets, which frees their units; false where a ticket was not dead. At most
    /// [`MAX_BATCH`](super::MAX_BATCH).
    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError>;
}

/// What must be true of a sale for its settings to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is no such sale yet.
    Absent,
    /// It has this version.
    Version(u64),
}

/// The result of a change of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigureResult {
    /// The sale as it is now.
    Done(SaleSnapshot),
    /// The precondition does not hold: nothing changed; the sale as it is, if there is one.
    Conflict(Option<SaleSnapshot>),
    /// The cap would be below the units held now: nothing changed.
    CapBelowHeld {
        /// The lowest possible cap.
        held: u64,
    },
    /// The stock would be below the units ordered or in flight: nothing changed.
    StockBelowCommitted {
        /// The lowest possible stock.
        committed: u64,
    },
    /// The sale is closed for good: nothing changed.
    Closed,
}

/// The result of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteResult {
    /// The sale is gone; also when there was none.
    Deleted,
    /// It is not closed yet.
    NotClosed,
    /// This many tickets are in flight, wait for a retry, or are dead.
    Busy {
        /// How many.
        tickets: u64,
    },
}

/// A ticket that is out of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The epoch that gave the ticket.
    pub epoch: u64,
    /// The entry, with the number of attempts made.
    pub claimed: ClaimedEntry,
    /// Why the last attempt failed.
    pub reason: String,
}
