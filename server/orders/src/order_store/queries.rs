//! Reads the whole order store, for checks by tests, the simulation and auditors.

use sqlx::{Row as _, any::AnyRow};

use super::{
    OrderStore, OrderStoreError, SaleKey, SaleStock,
    rows::{MovementKind, count, integer},
    statements::{COUNT_PENDING, READ_MOVEMENTS, READ_ORDERS, READ_ORDERS_OF, READ_STOCK},
};

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Paid.
    Paid,
    /// Not paid; released when its deadline passes.
    AwaitingPayment,
    /// Never paid; its units were returned to the stock.
    Released,
}

/// An order as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its rank in the order of creation, rising.
    pub sequence: u64,
    /// Its ticket.
    pub ticket_id: String,
    /// Its id.
    pub order_id: String,
    /// The sale.
    pub sale: SaleKey,
    /// The seq of the ticket.
    pub seq: u64,
    /// The buyer.
    pub buyer_id: String,
    /// Units ordered.
    pub units: u64,
    /// The number of the delivery that created it, from 1.
    pub attempt: u64,
    /// Its state.
    pub state: OrderState,
    /// The time of its creation, in milliseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// The payment deadline in the same unit; `None` if it was paid immediately.
    pub payment_deadline: Option<u64>,
    /// The time of its release, in the same unit.
    pub released_at: Option<u64>,
    /// Whether the front has recorded the release.
    pub release_acknowledged: bool,
}

/// One change of a sale's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The sale.
    pub sale: SaleKey,
    /// The reason.
    pub kind: MovementKind,
    /// Units added to what remains; negative for an order.
    pub units: i64,
    /// The ticket of the order that took or returned the units.
    pub ticket_id: Option<String>,
    /// The time, in milliseconds since 1970-01-01 UTC.
    pub moved_at: u64,
}

/// The stock of one creation of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockLevel {
    /// The sale.
    pub sale: SaleKey,
    /// All units ever provisioned.
    pub stock: SaleStock,
    /// The units left; [`SaleStock::Unlimited`] for a sale without stock.
    pub remaining: SaleStock,
    /// The sum of the sale's movements, which equals `remaining` if there is stock.
    pub moved: i64,
}

impl OrderStore {
    /// Every order, in the order of creation.
    ///
    /// # Errors
    ///
    /// A database error, or data that this version cannot read.
    pub async fn orders(&self) -> Result<Vec<Order>, OrderStoreError> {
        let rows = sqlx::query(READ_ORDERS).fetch_all(self.database.reader()).await?;
        rows.iter().map(order).collect()
    }

    /// Up to `limit` orders of one creation of a sale, in the order of creation, from the first after `after`. Only those
    /// that were created or released at `changed_since` or later, in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// A database error, or data that this version cannot read.
    pub async fn orders_of(
        &self,
        sale: &SaleKey,
        after: u64,
        changed_since: u64,
        limit: u32,
    ) -> Result<Vec<Order>, OrderStoreError> {
        let rows = sqlx::query(READ_ORDERS_OF)
            .bind(sale.sale_id.as_str())
            .bind(integer("creation time", sale.created_at)?)
            .bind(integer("sequence", after)?)
            .bind(integer("time", changed_since)?)
            .bind(i64::from(limit))
            .fetch_all(self.database.reader())
            .await?;
        rows.iter().map(order).collect()
    }

    /// The number of orders that are not final: not paid, or released and not recorded by the front.
    ///
    /// # Errors
    ///
    /// A database error.
    pub async fn pending(&self) -> Result<u64, OrderStoreError> {
        let row = sqlx::query(COUNT_PENDING).fetch_one(self.database.reader()).await?;
        number(&row, "pending")
    }

    /// Every change of stock, in order.
    ///
    /// # Errors
    ///
    /// A database error, or data that this version cannot read.
    pub async fn movements(&self) -> Result<Vec<Movement>, OrderStoreError> {
        let rows = sqlx::query(READ_MOVEMENTS).fetch_all(self.database.reader()).await?;
        rows.iter().map(movement).collect()
    }

    /// The stock of every sale, by id and creation.
    ///
    /// # Errors
    ///
    /// A database error, or data that this version cannot read.
    pub async fn stock(&self) -> Result<Vec<StockLevel>, OrderStoreError> {
        let rows = sqlx::query(READ_STOCK).fetch_all(self.database.reader()).await?;
        rows.iter().map(stock_level).collect()
    }
}

impl OrderState {
    /// The word in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Released => "released",
        }
    }

    fn parse(word: &str) -> Result<Self, OrderStoreError> {
        [Self::Paid, Self::AwaitingPayment, Self::Released]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| OrderStoreError::Inconsistent(format!("an order's state is {word:?}")))
    }
}

fn order(row: &AnyRow) -> Result<Order, OrderStoreError> {
    Ok(Order {
        sequence: number(row, "sequence")?,
        ticket_id: row.try_get("ticket_id")?,
        order_id: row.try_get("order_id")?,
        sale: sale_key(row)?,
        seq: number(row, "seq")?,
        buyer_id: row.try_get("buyer_id")?,
        units: number(row, "units")?,
        attempt: number(row, "attempt")?,
        state: OrderState::parse(row.try_get("state")?)?,
        created_at: number(row, "created_at")?,
        payment_deadline: optional_number(row, "payment_deadline")?,
        released_at: optional_number(row, "released_at")?,
        release_acknowledged: number(row, "release_acknowledged")? != 0,
    })
}

fn movement(row: &AnyRow) -> Result<Movement, OrderStoreError> {
    Ok(Movement {
        sale: sale_key(row)?,
        kind: MovementKind::parse(row.try_get("kind")?)?,
        units: row.try_get("units")?,
        ticket_id: row.try_get("ticket_id")?,
        moved_at: number(row, "moved_at")?,
    })
}

fn stock_level(row: &AnyRow) -> Result<StockLevel, OrderStoreError> {
    let units = |column| {
        optional_number(row, column).map(|units| units.map_or(SaleStock::Unlimited, SaleStock::Units))
    };
    Ok(StockLevel {
        sale: sale_key(row)?,
        stock: units("stock")?,
        remaining: units("remaining")?,
        moved: row.try_get("moved")?,
    })
}

/// The sale that a row belongs to.
pub(super) fn sale_key(row: &AnyRow) -> Result<SaleKey, OrderStoreError> {
    Ok(SaleKey { sale_id: row.try_get("sale_id")?, created_at: number(row, "sale_created_at")? })
}

/// A count in a column.
pub(super) fn number(row: &AnyRow, column: &str) -> Result<u64, OrderStoreError> {
    count(column, row.try_get(column)?)
}

fn optional_number(row: &AnyRow, column: &str) -> Result<Option<u64>, OrderStoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| count(column, value)).transpose()
}
