//! The port: everything Inrush asks of a store, in batches, each operation atomic and safe to repeat.
//!
//! The memory store is the executable specification; one conformance suite holds every store to it. All operations of
//! one call concern one sale and are carried out in the order given, as one step that nobody sees the middle of.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::{
    entry::{ClaimedEntry, Entry},
    sale::{SaleId, SaleSettings, SaleSnapshot},
    ticket::{Seq, TicketState, TicketStatus},
    time::Timestamp,
};

/// Most operations in one call. It bounds how long a script can run.
pub const MAX_BATCH: usize = 256;

/// Most hashes that one call of [`Store::admitted_buyers`] returns.
pub const MAX_ADMITTED_BUYERS: usize = 65_536;

/// How well an acknowledged change is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// In the store's memory.
    #[default]
    Memory,
    /// On the store's disk.
    Fsync,
    /// In the memory of a second server: one that follows the store's has acknowledged it.
    Replicated,
}

/// What a store can fail with. Business outcomes are not among them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such sale.
    #[error("there is no sale {0}")]
    SaleNotFound(SaleId),
    /// The store does not answer; what was asked may or may not have happened, and can be asked again.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The store answers, but it cannot be used as it is set up; the text says what to change.
    #[error("the store cannot be used: {0}")]
    Unsuitable(String),
    /// The store holds what Inrush did not write: a defect, or a foreign key.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// All kinds of failures, by their names in metrics.
    pub const KINDS: [&str; 4] = ["sale_not_found", "unavailable", "unsuitable", "corrupt"];

    /// Its name in metrics, which never changes its meaning.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        let [sale_not_found, unavailable, unsuitable, corrupt] = Self::KINDS;
        match self {
            Self::SaleNotFound(_) => sale_not_found,
            Self::Unavailable(_) => unavailable,
            Self::Unsuitable(_) => unsuitable,
            Self::Corrupt(_) => corrupt,
        }
    }
}

/// One buyer's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitRequest {
    /// What will wait in line.
    pub entry: Entry,
    /// The buyer's earlier ticket, if the caller has seen that it is no longer live: it then does not stand in the way.
    pub supersedes: Option<Seq>,
}

/// What became of a batch of wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitReply {
    /// The sale's epoch, part of every ticket.
    pub epoch: u64,
    /// The last number given out, after this batch.
    pub last_seq: Seq,
    /// Thousandths of tickets claimed per second lately; 0 when unknown.
    pub measured_pace: u64,
    /// How well this batch is kept.
    pub durability: Durability,
    /// Whether the sale has a stock; it decides which old tickets are still live.
    pub has_stock: bool,
    /// What a front may answer from memory until it hears of a change.
    pub gate: Gate,
    /// One for each request, in order.
    pub admissions: Vec<Admission>,
}

/// What became of one wish. The checks are made in this order: already in line, bypass, the refusals as listed in
/// [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// In line.
    Queued {
        /// The new number.
        seq: Seq,
        /// Waiting tickets ahead plus one.
        position: u64,
    },
    /// The buyer has a ticket already; whether it is still live is seen by looking it up.
    Existing {
        /// Its number.
        seq: Seq,
    },
    /// Not in line.
    Refused(Refusal),
    /// The sale's route is the normal purchase flow.
    Bypass,
}

/// Why a buyer is not taken in, in the order of the checks.
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
    /// More units asked for than one ticket may.
    UnitLimit {
        /// The most one ticket may ask for.
        limit: u64,
    },
    /// More units asked for than are free.
    SoldOut,
}

/// The state of admission after a batch: what holds for every buyer who is not in line yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Some buyers can be taken in: ask the store.
    Open,
    /// Everybody is sent to the normal purchase flow.
    Bypass,
    /// Everybody is refused. Never [`Refusal::UnitLimit`].
    Refusing(Refusal),
}

/// Where tickets of one sale stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUpReply {
    /// The sale's epoch; tickets of another epoch are not these.
    pub epoch: u64,
    /// Thousandths of tickets claimed per second lately; 0 when unknown.
    pub measured_pace: u64,
    /// One for each seq asked for, in order; none for a number never given out.
    pub statuses: Vec<Option<TicketStatus>>,
}

/// What became of one cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelResult {
    /// The ticket is cancelled and its units are free.
    Cancelled,
    /// It was cancelled before.
    AlreadyCancelled,
    /// It was claimed at least once, or the sale closed over it.
    TooLate,
    /// Its number was never given out.
    Unknown,
}

/// Asks for entries to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Most entries wanted, at most [`MAX_BATCH`].
    pub max: usize,
}

/// Entries under a lease, and what else a fulfilment worker wants to know of the sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The sale's epoch, part of every ticket's name.
    pub epoch: u64,
    /// Proves the claim in every later call; higher than that of any earlier claim. 0 when nothing was claimed.
    pub fence: u64,
    /// How long the lease lasts from now.
    pub lease: Duration,
    /// The entries: retries that are due, earliest first, then the line in order.
    pub entries: Vec<ClaimedEntry>,
    /// What keeps the sale busy.
    pub backlog: Backlog,
}

/// What a sale still has to do, and when a worker should look again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Tickets waiting in line, retries included.
    pub waiting: u64,
    /// Tickets under a lease.
    pub in_flight: u64,
    /// Tickets that are out of attempts and wait for an operator.
    pub dead: u64,
    /// When the next claim can bring something, as far as time alone decides: a due retry, a token of the pace. Zero: at once.
    /// None: only an event (a settled ticket, a new buyer, a change of settings) can bring something.
    pub next_claim_in: Option<Duration>,
    /// When the next lease ends. None: nothing is in flight.
    pub next_expiry_in: Option<Duration>,
}

/// A claimed ticket, as the worker that claimed it names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseToken {
    /// The ticket's number.
    pub seq: Seq,
    /// The claim's fence.
    pub fence: u64,
}

/// The outcome of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which ticket, and the proof.
    pub leased: LeaseToken,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt. Texts longer than [`MAX_TEXT`] bytes are cut by the store.
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
    /// Try again, or give up after the last attempt.
    Retry {
        /// How long to wait at least.
        after: Duration,
        /// Why.
        reason: String,
    },
}

/// Most bytes kept of an order id or a reason.
pub const MAX_TEXT: usize = 256;

/// What became of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleResult {
    /// It took effect; the ticket is now in this state.
    Done(TicketState),
    /// The lease was lost: nothing happened.
    Stale,
}

/// What recovery took back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Leases that had ended: their tickets wait again.
    pub reclaimed: u64,
    /// Leases that had ended after the last attempt: their tickets are dead.
    pub dead: u64,
    /// What the sale still has to do.
    pub backlog: Backlog,
}

/// What became of one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseResult {
    /// The units are free again.
    Released,
    /// They were released before.
    AlreadyReleased,
    /// The ticket has no order now; it is in this state.
    NotOrdered(TicketState),
    /// Its number was never given out.
    Unknown,
}

/// A ticket out of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The entry, with the number of attempts made.
    pub claimed: ClaimedEntry,
    /// What the last attempt failed with.
    pub reason: String,
}

/// How a change of settings ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigureResult {
    /// The sale is now like this.
    Done(SaleSnapshot),
    /// The sale was not in the expected version (or existed already, or did not exist): nothing changed, it is like this.
    Conflict(Option<SaleSnapshot>),
    /// The cap would be below the units held now: nothing changed.
    CapBelowHeld {
        /// The lowest possible cap.
        held: u64,
    },
    /// The stock would be below the units ordered or on their way: nothing changed.
    StockBelowCommitted {
        /// The lowest possible stock.
        committed: u64,
    },
    /// The sale is closed for good: nothing changed.
    Closed,
}

/// What must be true of a sale for its settings to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is no such sale yet.
    Absent,
    /// It has this version.
    Version(u64),
}

/// How a deletion ended.
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

/// What a store announces to whoever listens. Announcements can be lost: they save time, nothing depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// A sale has something to claim that it had not before.
    Work(SaleId),
    /// A sale may take buyers in that it refused before, or the other way round.
    Admission(SaleId),
    /// Announcements may have been lost: look at everything once.
    Missed,
}

/// Keeps sales, lines, leases and ledgers.
///
/// Every operation may be repeated after [`StoreError::Unavailable`]: a repeat finds what the first left behind and
/// changes nothing twice. A claim whose reply was lost ends with its leases.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What kind of store this is: `redis`, or `memory`.
    fn backend(&self) -> &'static str;

    /// A handle on the same data with connections of its own, for a part of the process that must not wait for others.
    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError>;

    /// Asks the store whether it is there and fit for use.
    async fn check(&self) -> Result<(), StoreError>;

    /// Whether this store, as it is set up now, keeps changes so well.
    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError>;

    /// Announcements from now on.
    fn events(&self) -> broadcast::Receiver<StoreEvent>;

    /// Writes a sale's settings, all of them, if `precondition` holds. The caller has validated them.
    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError>;

    /// One sale.
    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError>;

    /// Up to `limit` sales in the order of their ids, from the first after `after`.
    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError>;

    /// Up to `limit` ids of sales in their order, from the first after `after`, at the cost of one command.
    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError>;

    /// Closes a sale for good: what was never claimed expires. Retries and what is in flight are finished.
    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError>;

    /// Deletes a closed sale in which nothing is in flight, to be retried or dead.
    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError>;

    /// Takes buyers in, at most [`MAX_BATCH`]. [`crate::admission::admit`] is what a front calls.
    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError>;

    /// [`crate::sale::BuyerId::hash32`] of every buyer ever taken in with a number above `after`, in the order of the
    /// numbers; at most [`MAX_ADMITTED_BUYERS`], so a full reply means there may be more.
    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError>;

    /// Tells where tickets stand, at most [`MAX_BATCH`].
    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError>;

    /// Cancels tickets that were never claimed, at most [`MAX_BATCH`].
    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError>;

    /// Takes entries under a lease, in order, within the pace and the stock.
    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError>;

    /// Lets leases last a full lease from now; false where the lease was lost. At most [`MAX_BATCH`].
    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError>;

    /// Records outcomes, at most [`MAX_BATCH`].
    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError>;

    /// Takes back leases that have ended, earliest first, at most [`MAX_BATCH`].
    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError>;

    /// Gives the units of ordered tickets back, at most [`MAX_BATCH`].
    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError>;

    /// Up to `limit` dead tickets in line order, from the first after `after`.
    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// Puts dead tickets back in line with all attempts before them; false where a ticket was not dead. At most [`MAX_BATCH`].
    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError>;

    /// Gives the units of dead tickets back; false where a ticket was not dead. At most [`MAX_BATCH`].
    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError>;
}
