//! The port of fulfilment: entries out of the queue under a lease, and the outcome of each attempt.

use std::time::Duration;

use async_trait::async_trait;

use super::{error::StoreError, handle::StoreHandle};
use crate::{
    entry::ClaimedEntry,
    epochs::{Epochs, TicketRef},
    sale::{BuyerId, SaleId},
    ticket::{Seq, TicketState},
    time::Timestamp,
};

/// Upper bound on the bytes kept of an order id or a reason.
pub const MAX_TEXT: usize = 256;

/// What fulfilment needs of a store.
#[async_trait]
pub trait WorkStore: StoreHandle {
    /// Up to `limit` ids of sales in their order, from the first after `after`, at the cost of one command.
    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError>;

    /// Claims entries under a lease, in order, within the pace and the stock.
    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError>;

    /// Extends leases to a full lease from now; false where the lease was lost. At most
    /// [`MAX_BATCH`](super::MAX_BATCH).
    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError>;

    /// Settles attempts, at most [`MAX_BATCH`](super::MAX_BATCH).
    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError>;

    /// Reclaims expired leases, earliest first, at most [`MAX_BATCH`](super::MAX_BATCH).
    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError>;

    /// Compares orders of the order system with the queue, each ticket once, at most [`MAX_BATCH`](super::MAX_BATCH).
    /// With `repair` it settles, without a lease, the tickets whose outcome the store has forgotten, and counts the units
    /// of those that it has forgotten entirely; without, it changes nothing.
    async fn reconcile(
        &self,
        sale: &SaleId,
        orders: &[KnownOrder],
        repair: bool,
    ) -> Result<Vec<Finding>, StoreError>;
}

/// A request for entries to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Upper bound on the entries, at most [`MAX_BATCH`](super::MAX_BATCH).
    pub max: usize,
}

/// Entries under a lease, and the sale's backlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The sale's epochs, by which the tickets are named.
    pub epochs: Epochs,
    /// When the sale was created: distinguishes it from an earlier sale of the same name.
    pub created_at: Timestamp,
    /// Proves the claim in every later call; higher than that of any earlier claim. 0 when nothing was claimed.
    pub fence: u64,
    /// The duration of the lease, from now.
    pub lease: Duration,
    /// The entries: retries that are due, earliest first, then the queue in order.
    pub entries: Vec<ClaimedEntry>,
    /// What the sale still has to do.
    pub backlog: Backlog,
}

/// What a sale still has to do, and when a worker should check again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Waiting tickets, retries included.
    pub waiting: u64,
    /// Tickets under a lease.
    pub in_flight: u64,
    /// Tickets that are out of attempts and need an operator.
    pub dead: u64,
    /// When the next claim can return an entry, as far as time alone decides: a due retry, a token of the pace. Zero: at
    /// once. `None`: only an event (a settled ticket, a new buyer, a change of settings) makes an entry available.
    pub next_claim_in: Option<Duration>,
    /// When the next lease expires. `None`: nothing is in flight.
    pub next_expiry_in: Option<Duration>,
}

/// Proves that a ticket was claimed, and by which claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseToken {
    /// The ticket's seq.
    pub seq: Seq,
    /// The claim's fence.
    pub fence: u64,
}

/// The outcome of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The ticket and the proof of its claim.
    pub lease_token: LeaseToken,
    /// The outcome.
    pub outcome: Outcome,
}

/// How an attempt ended. The store truncates texts longer than [`MAX_TEXT`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An order exists.
    Ordered {
        /// Its id.
        order_id: String,
    },
    /// There will be no order.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Retry, or give up after the last attempt.
    Retry {
        /// How long to wait at least.
        after: Duration,
        /// Why.
        reason: String,
    },
}

/// The result of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleResult {
    /// It took effect; the ticket is now in this state.
    Done(TicketState),
    /// The lease was lost: nothing happened.
    Stale,
}

/// What a recovery reclaimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Expired leases whose tickets wait again.
    pub reclaimed: u64,
    /// Expired leases of a last attempt: their tickets are dead.
    pub dead: u64,
    /// The sale's present epoch.
    pub epoch: u64,
    /// How often the epoch has risen.
    pub rises: u64,
    /// What the sale still has to do.
    pub backlog: Backlog,
}

/// An order that the order system has for a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOrder {
    /// The ticket.
    pub ticket: TicketRef,
    /// Its buyer.
    pub buyer: BuyerId,
    /// Units ordered.
    pub units: u64,
    /// The order's id.
    pub order_id: String,
    /// Whether the order was released.
    pub released: bool,
}

/// How an order compares with its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The queue knows the order.
    Same,
    /// The ticket is in process, or its turn is still to come: the order system then answers with this order.
    Pending,
    /// The ticket had this state, and has that of the order now, or would have with a repair.
    Settled {
        /// The state before.
        was: TicketState,
    },
    /// The queue has another order for the ticket.
    OtherOrder,
    /// The ticket is another buyer's, or is for other units.
    OtherBuyer,
    /// The queue has released the order, and the order system has not.
    ReleasedOnlyHere,
    /// The ticket was cancelled or expired, and the store has lost nothing: the order must not exist.
    EndedHere,
    /// The queue has not given the ticket yet, so it is older than the order. A repair raises the epoch first.
    Ahead,
    /// The ticket is of an earlier sale of this name.
    Foreign,
    /// The same ticket comes earlier in the batch.
    Repeated,
    /// The store's data about the ticket cannot be read.
    Unreadable,
}
