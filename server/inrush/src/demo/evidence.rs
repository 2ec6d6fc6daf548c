//! What a run of the demo leaves behind: what buyers were told, and what the order database holds.
//!
//! Nothing here comes from the store's own counters: a store that lies about itself is found out.

use std::{collections::HashMap, time::Duration};

use inrush_client::TicketState;

/// A buyer of the demo, by number.
pub(crate) type Buyer = u32;

/// One acknowledged Enqueue: at `acked` after the start, a call sent at `sent` told `buyer` that it holds ticket `seq`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledgement {
    /// Who was told.
    pub(crate) buyer: Buyer,
    /// The ticket's number.
    pub(crate) seq: u64,
    /// When the call was sent.
    pub(crate) sent: Duration,
    /// When the answer was there.
    pub(crate) acked: Duration,
}

/// One order in the order database.
#[derive(Clone, Debug)]
pub(crate) struct OrderRecord {
    /// Its place in the order of creation.
    pub(crate) sequence: u64,
    /// The number of the ticket it was created for.
    pub(crate) seq: u64,
    /// Who ordered.
    pub(crate) buyer: Buyer,
    /// Units ordered.
    pub(crate) units: u64,
    /// Which delivery of the entry created it, 1 being the first.
    pub(crate) attempt: u64,
    /// Whether it was never paid and has given its units back.
    pub(crate) released: bool,
}

/// Everything the checker looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// Units on sale.
    pub(crate) stock: u64,
    /// Units that may be admitted at once.
    pub(crate) cap: u64,
    /// Units each ticket asks for.
    pub(crate) units_per_ticket: u64,
    /// Every acknowledged Enqueue, in any order.
    pub(crate) acknowledgements: Vec<Acknowledgement>,
    /// The last state each ticket was seen in.
    pub(crate) endings: HashMap<u64, TicketState>,
    /// Every order, in the order of creation.
    pub(crate) orders: Vec<OrderRecord>,
    /// How often a buyer saw its position rise.
    pub(crate) positions_rose: u64,
}
