//! The port of the fronts: buyers into the queue, their status, and out of it.

use async_trait::async_trait;

use super::{durability::Durability, error::StoreError, handle::StoreHandle};
use crate::{
    entry::Entry,
    epochs::{Epochs, TicketRef},
    sale::SaleId,
    ticket::{Seq, TicketState, TicketStatus},
    time::Timestamp,
};

/// Upper bound on the hashes that one call of [`QueueStore::admitted_buyers`] returns.
pub const MAX_ADMITTED_BUYERS: usize = 65_536;

/// What fronts need of a store.
#[async_trait]
pub trait QueueStore: StoreHandle {
    /// Admits buyers, at most [`MAX_BATCH`](super::MAX_BATCH). Fronts call it through [`crate::admission::admit`].
    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError>;

    /// [`crate::sale::BuyerId::hash32`] of every buyer ever admitted, in the order of their admission, without the first
    /// `after` ones; at most [`MAX_ADMITTED_BUYERS`], so a full reply means that there may be more.
    async fn admitted_buyers(&self, sale: &SaleId, after: u64) -> Result<Vec<u32>, StoreError>;

    /// The status of tickets, at most [`MAX_BATCH`](super::MAX_BATCH).
    async fn look_up(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<LookUpReply, StoreError>;

    /// Cancels tickets that were never claimed, at most [`MAX_BATCH`](super::MAX_BATCH).
    async fn cancel(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<CancelResult>, StoreError>;

    /// Releases the units of ordered tickets, which are named without a signature: unlike those of the other operations,
    /// a ticket that the sale has not given yet shows no loss. At most [`MAX_BATCH`](super::MAX_BATCH).
    async fn release(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<ReleaseResult>, StoreError>;
}

/// One buyer's request for units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitRequest {
    /// The entry to queue.
    pub entry: Entry,
    /// The buyer's earlier ticket, if the caller has seen that it is no longer live: that ticket is ignored by the
    /// duplicate check.
    pub supersedes: Option<Seq>,
    /// The buyer's ticket that the store has lost. It is restored under its own name if the store can; else the buyer is
    /// admitted as any other. The caller has checked that it is this buyer's.
    pub restores: Option<TicketRef>,
}

/// The reply to a batch of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitReply {
    /// The sale's epochs; the present one is part of every new ticket.
    pub epochs: Epochs,
    /// How many buyers were ever admitted, after this batch.
    pub admitted: u64,
    /// Recently claimed tickets per second, in thousandths; 0 when unknown.
    pub measured_pace: u64,
    /// How durable this batch is.
    pub durability: Durability,
    /// Whether the sale has a stock; it decides which old tickets are still live.
    pub has_stock: bool,
    /// What a front may answer from memory until it is notified of a change.
    pub gate: Gate,
    /// One for each request, in order.
    pub admissions: Vec<Admission>,
}

/// The result of one request. The checks are made in this order: duplicate, bypass, the refusals as listed in
/// [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Queued.
    Queued {
        /// The ticket's seq.
        seq: Seq,
        /// Waiting tickets ahead plus one.
        position: u64,
    },
    /// The buyer's lost ticket is restored, with this seq; a look-up shows its position.
    Restored {
        /// Its seq.
        seq: Seq,
    },
    /// The buyer has a ticket already; a look-up shows whether it is still live.
    Existing {
        /// Its seq.
        seq: Seq,
    },
    /// Refused.
    Refused(Refusal),
    /// The sale's route is the normal purchase flow.
    Bypass,
}

/// Why a buyer is refused, in the order of the checks; `Restoring` is checked after `Held`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Closed for good, or past its closing time.
    Closed,
    /// Before its opening.
    NotOpen {
        /// When it opens.
        opens_at: Timestamp,
    },
    /// Admission is on hold.
    Held,
    /// More units requested than one ticket may have.
    UnitLimit {
        /// The limit.
        limit: u64,
    },
    /// More units requested than are free.
    SoldOut,
    /// The store has lost tickets, and their holders come first.
    Restoring {
        /// When others are admitted again.
        until: Timestamp,
    },
}

/// The state of admission after a batch, for every buyer who is not in the queue yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Some buyers can be admitted: ask the store.
    Open,
    /// Every buyer goes to the normal purchase flow.
    Bypass,
    /// Every buyer is refused. Never [`Refusal::UnitLimit`].
    Refusing(Refusal),
}

/// The status of tickets of one sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUpReply {
    /// Recently claimed tickets per second, in thousandths; 0 when unknown.
    pub measured_pace: u64,
    /// One for each ticket requested, in order; `None` for one that this sale never gave.
    pub statuses: Vec<Option<TicketStatus>>,
}

/// The result of one cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelResult {
    /// The ticket is cancelled and its units are free.
    Cancelled,
    /// It was cancelled before.
    AlreadyCancelled,
    /// It was claimed at least once, or the sale closed before it was.
    TooLate,
    /// This sale never gave it.
    Unknown,
    /// The store has lost it.
    Lost,
}

/// The result of one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseResult {
    /// The units are free again.
    Released,
    /// They were released before.
    AlreadyReleased,
    /// The ticket has no order; it is in this state.
    NotOrdered(TicketState),
    /// This sale never gave it.
    Unknown,
}
