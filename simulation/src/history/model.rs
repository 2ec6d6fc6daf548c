//! What a history has: the sale, calls, deliveries, orders, ledgers, the work of fulfilments, and faults.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Nanoseconds of the clock of the run.
pub type Nanos = u64;

/// Everything that is known of one sale in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How to repeat the run: its seed, its setup.
    #[serde(default)]
    pub origin: String,
    /// The sale.
    pub sale: SaleFacts,
    /// Every call of every buyer, in any order.
    pub calls: Vec<Call>,
    /// What the order system received.
    pub deliveries: Vec<Delivery>,
    /// The order book at the end, released orders included.
    pub orders: Vec<Order>,
    /// Ledgers that were read.
    #[serde(default)]
    pub readings: Vec<Reading>,
    /// What workers did with leases. Only a run inside one process can record it; else it is empty, and I9, I11 and I12
    /// are not checked.
    #[serde(default)]
    pub work: Vec<Work>,
    /// When the store may have forgotten something.
    #[serde(default)]
    pub losses: Vec<Loss>,
    /// The faults of the run.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// When the sale had come to rest: no more faults, every restore window over, nothing in flight, and nothing waiting
    /// that the stock has units for. Calls that start later see final states. `None`: the end of the run is not checked.
    #[serde(default)]
    pub rest_from: Option<Nanos>,
}

/// What is known of the sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleFacts {
    /// Its id.
    pub id: String,
    /// Units on sale; `None`: a sale without stock.
    pub stock: Option<u64>,
    /// Upper bound on the units in the queue.
    pub cap: u64,
    /// Upper bound on the units of one ticket.
    pub unit_limit: u64,
    /// The level at which tickets are acknowledged. An answer may state another one.
    pub durability: Level,
    /// Whether every buyer called `rest_from` or later and polled its ticket: only then is the end known of each ticket.
    #[serde(default)]
    pub all_polled_at_rest: bool,
    /// How long after its expiry a lease may still exist when no fault is active.
    #[serde(default)]
    pub reclaim_bound: Option<Nanos>,
}

impl Default for SaleFacts {
    fn default() -> Self {
        Self {
            id: String::new(),
            stock: None,
            cap: u64::MAX,
            unit_limit: u64::MAX,
            durability: Level::Memory,
            all_polled_at_rest: false,
            reclaim_bound: None,
        }
    }
}

/// How durable an acknowledged ticket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// In the memory of the store.
    #[default]
    Memory,
    /// On the disk of the store.
    Fsync,
    /// In the memory of the servers that can be promoted.
    Replicated,
}

/// A ticket's name within its sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketName {
    /// The epoch that gave it.
    pub epoch: u64,
    /// Its seq.
    pub seq: u64,
}

impl TicketName {
    /// Reads `sale/epoch/seq`, as the API and the order system see it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, seq) = text.rsplit_once('/')?;
        let (_, epoch) = rest.rsplit_once('/')?;
        Some(Self { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
    }
}

impl fmt::Display for TicketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.seq)
    }
}

/// One call of a buyer. A call that a client library repeats by itself is one call per attempt, or one call over all
/// attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The buyer.
    pub buyer: String,
    /// Not begun before.
    pub start: Nanos,
    /// Its reply was complete, or the caller gave it up.
    pub end: Nanos,
    /// What was asked for.
    pub request: Request,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a buyer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A place in the queue.
    Enqueue {
        /// How many units.
        units: u64,
        /// The buyer's lost ticket.
        previous_ticket: Option<TicketName>,
    },
    /// The state of a ticket.
    Poll {
        /// Which.
        ticket: TicketName,
    },
    /// To leave the queue.
    Cancel {
        /// With which ticket.
        ticket: TicketName,
    },
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// An answer about a ticket. The answer to Cancel has the state after it.
    Answered(Answer),
    /// The sale refuses the buyer.
    Refused {
        /// The reason as the API names it, `SOLD_OUT`; `BYPASS` for the normal purchase flow.
        reason: String,
    },
    /// An error, and the call had certainly no effect.
    Failed {
        /// The error.
        error: String,
    },
    /// The front says that there is no such ticket, or no such sale.
    NotFound,
    /// The call may have happened, or may still happen.
    Unknown {
        /// What the caller saw: a timeout, a broken connection.
        error: String,
    },
}

/// An answer about a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The ticket.
    pub ticket: TicketName,
    /// The signed ticket, if the answer has one.
    #[serde(default)]
    pub signed: String,
    /// Its state.
    pub state: State,
    /// Its position; 0 when it does not wait.
    #[serde(default)]
    pub position: u64,
    /// Its order.
    #[serde(default)]
    pub order: Option<String>,
    /// The level at which an Enqueue is acknowledged.
    #[serde(default)]
    pub durability: Option<Level>,
}

/// The state of a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// In the queue.
    #[default]
    Waiting,
    /// Under a lease.
    Processing,
    /// With an order.
    Ordered,
    /// Its order was never paid.
    Released,
    /// Cancelled by its buyer.
    Cancelled,
    /// Rejected by the order system.
    Rejected,
    /// The sale closed before it was claimed.
    Expired,
    /// Held for an operator.
    Dead,
    /// Forgotten by the store.
    Lost,
}

impl State {
    /// Whether the state is final, but for the release of an order.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Ordered | Self::Released | Self::Cancelled | Self::Rejected | Self::Expired)
    }

    /// Whether a buyer with a ticket in this state gets the same ticket again.
    #[must_use]
    pub const fn is_live(self, has_stock: bool) -> bool {
        match self {
            Self::Waiting | Self::Processing | Self::Dead => true,
            Self::Ordered => has_stock,
            Self::Released | Self::Cancelled | Self::Rejected | Self::Expired | Self::Lost => false,
        }
    }
}

/// An entry that the order system received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Nanos,
    /// The ticket.
    pub ticket: TicketName,
    /// Its buyer.
    pub buyer: String,
    /// Its units.
    pub units: u64,
    /// Its attempt; 1 for the first.
    pub attempt: u32,
}

/// An order of the order system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// Its ticket.
    pub ticket: TicketName,
    /// Its buyer.
    pub buyer: String,
    /// Its units.
    pub units: u64,
    /// When it was created.
    pub created_at: Nanos,
    /// When its units went back into the stock, if they did.
    pub released_at: Option<Nanos>,
}

/// A ledger, and when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// When the reply was there.
    pub at: Nanos,
    /// The cap of the sale at that time.
    pub cap: u64,
    /// The stock of the sale at that time.
    pub stock: Option<u64>,
    /// Ever admitted.
    pub admitted: Count,
    /// Waiting, retries included.
    pub waiting: Count,
    /// Under a lease.
    pub in_flight: Count,
    /// With an order.
    pub ordered: Count,
    /// Rejected or discarded.
    pub rejected: Count,
    /// Cancelled by buyers.
    pub cancelled: Count,
    /// Never claimed before the sale closed.
    pub expired: Count,
    /// Ordered and released.
    pub released: Count,
    /// Out of attempts.
    pub dead: Count,
    /// Orders that the store had forgotten and has counted again. Stock and cap may be exceeded by them.
    #[serde(default)]
    pub reconciled: Count,
}

/// Tickets and their units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Tickets.
    pub tickets: u64,
    /// Units.
    pub units: u64,
}

/// What a worker did with a ticket, in the order in which the store did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// When.
    pub at: Nanos,
    /// The ticket.
    pub ticket: TicketName,
    /// The fence of the claim.
    pub fence: u64,
    /// What.
    pub step: Step,
}

/// A step of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It claimed the ticket, until the lease ends.
    Claimed {
        /// The attempt.
        attempt: u32,
        /// The end of the lease.
        until: Nanos,
    },
    /// It extended the lease.
    Extended {
        /// The end of the lease.
        until: Nanos,
    },
    /// It settled the attempt, and this is the ticket's state now; `None`: the store said that the lease is stale.
    Settled {
        /// The state.
        state: Option<State>,
    },
}

/// A time at which the store may have forgotten something: everything that was written from an unknown moment on until
/// the loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Not before.
    pub from: Nanos,
    /// Not after. What is written until then may be forgotten, what is written later is not.
    pub until: Nanos,
    /// The levels at which a ticket may be forgotten although it was acknowledged.
    pub forgets: Vec<Level>,
    /// The store may have come back without the sale.
    #[serde(default)]
    pub forgets_sale: bool,
}

/// A fault, for the picture; and one that disturbs deliveries is taken into account for their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it began.
    pub from: Nanos,
    /// When it ended.
    pub until: Nanos,
    /// What it was.
    pub what: String,
    /// A claimed ticket may not have been delivered: a fulfilment or its stream ended, or the reply to a claim was lost.
    #[serde(default)]
    pub breaks_deliveries: bool,
}
