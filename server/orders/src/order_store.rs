//! The order store: orders and stock in a database.
//!
//! Every change of stock is in one transaction with its reason: an order row or its state, and a row in the
//! ledger of movements. Times are milliseconds since 1970-01-01 UTC by the clock of the database.

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
mod stock;

use std::time::Duration;

use serde::Serialize;

pub use self::{
    error::OrderStoreError,
    provision::{Provisioned, SaleStock},
    queries::{Movement, Order, OrderState, StockLevel},
    release::UnacknowledgedRelease,
    rows::MovementKind,
};
use crate::database_url::DatabaseUrl;

/// A handle on the order database; clones share its connections.
#[derive(Clone)]
pub struct OrderStore {
    database: database::Database,
}

/// One creation of a sale. A sale that is deleted and created again under its name has a stock of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SaleKey {
    /// The sale's id.
    pub sale_id: String,
    /// When it was created, in milliseconds since 1970-01-01 UTC. 0 if that is not known: an order then takes the stock
    /// of the latest creation, and stock is that of the first creation that becomes known.
    pub created_at: u64,
}

impl From<&str> for SaleKey {
    /// The sale of this id, whose creation is not known.
    fn from(sale_id: &str) -> Self {
        Self { sale_id: sale_id.to_owned(), created_at: 0 }
    }
}

/// An order to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The ticket id: the idempotency key.
    pub ticket_id: String,
    /// The sale whose stock it takes.
    pub sale: SaleKey,
    /// The seq of the ticket.
    pub seq: u64,
    /// The buyer.
    pub buyer_id: String,
    /// The number of units, all or nothing; more than 0.
    pub units: u64,
    /// The number of the delivery, from 1.
    pub attempt: u32,
    /// Whether it is paid.
    pub payment: Payment,
}

/// Whether an order is paid when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// It is paid.
    Paid,
    /// It is not paid, and is released unless it is paid within this time.
    Awaited(Duration),
}

/// The result of a [`NewOrder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The order exists.
    Created {
        /// The order's id.
        order_id: String,
        /// True if it existed before.
        repeated: bool,
    },
    /// The ticket has an order of another buyer or of other units: the line has given its id out twice, or the
    /// request is wrong.
    TicketTaken(TicketOwner),
    /// The buyer has a live order of this sale, by another ticket. Only in a sale with stock.
    AlreadyOrdered {
        /// The ticket of that order.
        ticket_id: String,
    },
    /// Fewer units are left than the order needs.
    OutOfStock,
    /// The sale has not been provisioned.
    UnknownSale,
}

/// Who has the order of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketOwner {
    /// The buyer.
    pub buyer_id: String,
    /// Units ordered.
    pub units: u64,
}

impl OrderStore {
    /// Connects to the database and migrates its schema. Waits about ten seconds for a database that is
    /// starting.
    ///
    /// # Errors
    ///
    /// [`OrderStoreError::Database`] or [`OrderStoreError::Migration`].
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OrderStoreError> {
        Ok(Self { database: database::Database::open(url).await? })
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn check(&self) -> Result<(), OrderStoreError> {
        sqlx::query(statements::CHECK).execute(self.database.reader()).await?;
        Ok(())
    }

    /// Closes all connections, including those of clones. SQLite writes its log back into the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// A duration in the database's unit; 292 million years at most.
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
