//! The evidence of a sale: the answers that buyers got, and the deliveries and orders of the order system if they are
//! known.
//!
//! Of the store's own counters only the ledger is used, as something to check.

use std::collections::HashSet;

use inrush_proto::v1::Ledger;

use super::{contradictions::Contradictions, ticket::Ticket};
use crate::{buyer::Buyer, order_system::OrderRecords};

/// Everything that is checked.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Units on sale; none: a sale without stock.
    pub stock: Option<u64>,
    /// Maximum number of units in the queue.
    pub cap: u64,
    /// Units that each ticket asks for.
    pub units_per_ticket: u64,
    /// The sale was created for this run and had no other buyers.
    pub fresh: bool,
    /// The sale was closed at the end: every ticket must be over.
    pub closed: bool,
    /// Every ticket that a buyer got, in its last known state.
    pub tickets: Vec<Ticket>,
    /// Buyers who may have a ticket that they do not know of.
    pub unresolved: HashSet<Buyer>,
    /// Buyers that polled until the end without an answer.
    pub unanswered: u64,
    /// Contradictions between the answers that buyers got.
    pub contradictions: Contradictions,
    /// Deliveries and orders, if the order system's log is available.
    pub orders: Option<OrderRecords>,
    /// The sale's ledger at the end.
    pub ledger: Ledger,
}
