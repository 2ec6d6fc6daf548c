//! The order book: the database side of the order system.
//!
//! Whatever changes stock does so in one transaction with its reason: an order row or a state, and a row in the
//! ledger of movements. Times are milliseconds since 1970-01-01 UTC by this process's clock.

mod create;
mod database;
mod error;
mod migrations;
mod plan;
mod provision;
mod queries;
mod release;
mod rows;
mod statements;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::{
    error::OrderStoreError,
    provision::{Provisioned, SaleStock},
    queries::{Movement, MovementKind, Order, OrderState, StockLevel},
};
use crate::database_url::DatabaseUrl;

/// A handle on the order database; clones share its connections.
#[derive(Clone)]
pub struct OrderStore {
    database: database::Database,
}

/// An order to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The ticket's name: the idempotency key.
    pub ticket_id: String,
    /// The sale whose stock it takes.
    pub sale_id: String,
    /// The ticket's number in its sale.
    pub seq: u64,
    /// Who wants the units.
    pub buyer_id: String,
    /// How many units, all or nothing; more than 0.
    pub units: u64,
    /// Which delivery of the entry this is, 1 being the first.
    pub attempt: u32,
    /// Whether it is paid for.
    pub payment: Payment,
}

/// Whether an order is paid for when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// It is.
    Paid,
    /// It is not, and is released unless that changes within this time.
    Awaited(Duration),
}

/// What became of a [`NewOrder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The order exists.
    Created {
        /// Its id.
        order_id: String,
        /// True when it existed before.
        repeated: bool,
    },
    /// Fewer units are left than it asks for.
    OutOfStock,
    /// The sale has not been provisioned.
    UnknownSale,
}

impl OrderStore {
    /// Connects to the database, waiting about ten seconds for one that is still starting, and brings its schema up to
    /// date.
    ///
    /// # Errors
    ///
    /// [`OrderStoreError::Database`] or [`OrderStoreError::Migration`] when that cannot be done.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OrderStoreError> {
        Ok(Self { database: database::Database::open(url).await? })
    }

    /// Closes every connection, those of all clones too. SQLite writes its log back into the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// This process's clock, in the database's unit.
fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    milliseconds(since_epoch)
}

/// A duration in the database's unit; 292 million years at most.
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
