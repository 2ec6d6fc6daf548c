//! A model of the order system, with the unique keys of the bundled one: a ticket has one order, a buyer one live order.

use std::collections::BTreeMap;

use inrush_core::Entry;
use inrush_simulation::history::{Order, TicketName};

use crate::random::Random;

/// The orders.
#[derive(Debug)]
pub(crate) struct OrderBook {
    stock: Option<u64>,
    pub(crate) orders: BTreeMap<TicketName, Order>,
    /// The order system answers `retry` or rejects at random.
    pub(crate) is_moody: bool,
}

/// What the order system answers about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Created(String),
    Rejected(&'static str),
    Retry,
}

impl OrderBook {
    pub(crate) fn new(stock: Option<u64>) -> Self {
        Self { stock, orders: BTreeMap::new(), is_moody: true }
    }

    pub(crate) fn decide(
        &mut self,
        ticket: TicketName,
        entry: &Entry,
        now: u64,
        random: &mut Random,
    ) -> Decision {
        let buyer = entry.buyer.as_str();
        if let Some(order) = self.orders.get(&ticket) {
            let is_same = order.buyer == buyer && order.units == entry.units;
            return if is_same {
                Decision::Created(order.id.clone())
            } else {
                Decision::Rejected("the ticket is that of another buyer")
            };
        }
        if self.is_moody && random.chance(15) {
            return if random.chance(25) { Decision::Rejected("not paid") } else { Decision::Retry };
        }
        let mut live = self.orders.values().filter(|order| order.released_at.is_none());
        if let Some(stock) = self.stock {
            let sold: u64 = live.clone().map(|order| order.units).sum();
            if live.any(|order| order.buyer == buyer) {
                return Decision::Rejected("the buyer has an order");
            }
            if sold + entry.units > stock {
                return Decision::Rejected("out of stock");
            }
        }
        let id = format!("order-{}", self.orders.len() + 1);
        let (buyer, units) = (buyer.to_owned(), entry.units);
        let order = Order { id: id.clone(), ticket, buyer, units, created_at: now, released_at: None };
        self.orders.insert(ticket, order);
        Decision::Created(id)
    }
}
