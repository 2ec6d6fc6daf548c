//! The deliveries to an order system and its orders, in order of time: the best evidence of a run.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use xxhash_rust::xxh3::xxh3_64;

use crate::buyer::Buyer;

/// A delivered entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When, since the opening.
    pub at: Duration,
    /// On which stream, in the order in which they were opened.
    pub stream: u64,
    /// The sale's epoch when the ticket was given out.
    pub epoch: u64,
    /// The ticket's number.
    pub seq: u64,
    /// The buyer; `None` for a buyer of another load.
    pub buyer: Option<Buyer>,
    /// How many units.
    pub units: u64,
    /// The attempt, from 1, as fulfilment numbers it.
    pub attempt: u32,
}

/// An order that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// When, since the opening.
    pub at: Duration,
    /// Its number in the order of creation.
    pub number: u64,
    /// The [`order_hash`] of its id.
    pub id_hash: u64,
    /// The sale's epoch when the ticket was given out.
    pub epoch: u64,
    /// The ticket's number.
    pub seq: u64,
    /// The buyer; `None` for a buyer of another load.
    pub buyer: Option<Buyer>,
    /// How many units.
    pub units: u64,
    /// The caller had disconnected when it was made.
    pub caller_gone: bool,
    /// The order system has released it, because it was not paid: its units were sold again.
    pub released: bool,
}

/// A hash of an order's id: ids are kept for a million tickets.
pub fn order_hash(order_id: &str) -> u64 {
    xxh3_64(order_id.as_bytes())
}

/// The id of an order of the simulation's own order system.
pub fn order_id(number: u64) -> String {
    format!("order-{number}")
}

/// The records of an order system.
#[derive(Debug, Clone, Default)]
pub struct OrderRecords {
    /// Entries in the order of their arrival.
    pub deliveries: Vec<Delivery>,
    /// Orders in the order of their creation.
    pub orders: Vec<OrderRecord>,
    /// Jobs that were refused because too many waited.
    pub refused: u64,
    /// Jobs that were done for callers that had disconnected, orders and look-ups.
    pub abandoned: u64,
    /// The order system has a stock of its own and may reject orders.
    pub may_reject: bool,
}

impl OrderRecords {
    /// The same, with times that begin `shift` later.
    #[must_use]
    pub fn since(mut self, shift: Duration) -> Self {
        self.deliveries.iter_mut().for_each(|delivery| delivery.at = delivery.at.saturating_sub(shift));
        self.orders.iter_mut().for_each(|order| order.at = order.at.saturating_sub(shift));
        self
    }
}

/// The records, and which tickets were delivered at least once.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) written: OrderRecords,
    seen: HashSet<(u64, u64)>,
}

/// The log of a running order system.
#[derive(Debug, Default)]
pub struct OrderLog {
    book: Mutex<Book>,
    distinct: AtomicU64,
    streams: AtomicU64,
}

impl OrderLog {
    /// How many tickets were delivered at least once. Read often, so it takes no lock.
    pub fn distinct_deliveries(&self) -> u64 {
        self.distinct.load(Ordering::Acquire)
    }

    /// How many streams have been opened.
    pub fn streams(&self) -> u64 {
        self.streams.load(Ordering::Acquire)
    }

    /// How many orders there are.
    pub fn orders(&self) -> usize {
        self.lock().written.orders.len()
    }

    /// The records so far.
    pub fn read(&self) -> OrderRecords {
        self.lock().written.clone()
    }

    /// A stream was opened. Returns its number.
    pub(super) fn open_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::AcqRel)
    }

    pub(super) fn delivered(&self, delivery: Delivery) {
        let mut book = self.lock();
        if book.seen.insert((delivery.epoch, delivery.seq)) {
            self.distinct.fetch_add(1, Ordering::AcqRel);
        }
        book.written.deliveries.push(delivery);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }
}
