//! The orders of an external order system.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use inrush_transport::Error;
use tonic::async_trait;

use crate::{
    buyer::{buyer_of, ticket_parts},
    order_system::{Delivery, OrderRecord, OrderRecords, order_hash},
};

/// Reads the orders of a sale where they are kept, such as in the order database of the bundled order system.
#[async_trait]
pub trait OrderSource: fmt::Debug + Send + Sync {
    /// How many orders are not final yet: they are not paid, or were released and the queue does not know it.
    ///
    /// # Errors
    /// When the orders cannot be read.
    async fn unsettled(&self) -> Result<u64, Error>;

    /// Every order of the sale, in the order of creation.
    ///
    /// # Errors
    /// When the orders cannot be read.
    async fn orders(&self, sale: &str) -> Result<Vec<StoredOrder>, Error>;
}

/// A stored order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// The ticket it was created for.
    pub ticket_id: String,
    /// Its id.
    pub order_id: String,
    /// Who ordered.
    pub buyer_id: String,
    /// How many units.
    pub units: u64,
    /// Which attempt created it, from 1.
    pub attempt: u32,
    /// When it was created.
    pub created: SystemTime,
    /// It was never paid, and its units were released.
    pub released: bool,
}

/// The orders as evidence, with times since `opened`. Deliveries are not kept: the order of creation stands for theirs.
pub(crate) fn records(orders: &[StoredOrder], opened: SystemTime) -> OrderRecords {
    let records: Vec<OrderRecord> =
        orders.iter().zip(1..).map(|(order, number)| record(order, number, opened)).collect();
    let deliveries = records.iter().zip(orders).map(|(record, order)| Delivery {
        at: record.at,
        stream: 0,
        epoch: record.epoch,
        seq: record.seq,
        buyer: record.buyer,
        units: record.units,
        attempt: order.attempt,
    });
    OrderRecords {
        deliveries: deliveries.collect(),
        orders: records,
        may_reject: true,
        ..OrderRecords::default()
    }
}

fn record(order: &StoredOrder, number: u64, opened: SystemTime) -> OrderRecord {
    // An id that cannot be parsed belongs to no buyer's ticket, so that the checks find it.
    let (_, epoch, seq) = ticket_parts(&order.ticket_id).unwrap_or_default();
    OrderRecord {
        at: order.created.duration_since(opened).unwrap_or(Duration::ZERO),
        number,
        id_hash: order_hash(&order.order_id),
        epoch,
        seq,
        buyer: buyer_of(&order.buyer_id),
        units: order.units,
        caller_gone: false,
        released: order.released,
    }
}
