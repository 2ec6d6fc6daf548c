//! Reads the whole book, for those who check it: tests, the demo and auditors.

use sqlx::{Row as _, any::AnyRow};

use super::{
    OrderStore, OrderStoreError, SaleStock,
    rows::count,
    statements::{COUNT_PENDING, READ_MOVEMENTS, READ_ORDERS, READ_STOCK},
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Paid for.
    Paid,
    /// Not paid for yet; released when its deadline passes.
    AwaitingPayment,
    /// Never paid for; its units are back on sale.
    Released,
}

/// An order as it is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its place in the order of creation, rising.
    pub sequence: u64,
    /// The ticket it was created for.
    pub ticket_id: String,
    /// Its id.
    pub order_id: String,
    /// The sale.
    pub sale_id: String,
    /// The ticket's number in the sale.
    pub seq: u64,
    /// Who ordered.
    pub buyer_id: String,
    /// Units ordered.
    pub units: u64,
    /// Which delivery of the entry it was created from, 1 being the first.
    pub attempt: u64,
    /// Where it stands.
    pub state: OrderState,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// When its payment was or is due, in the same unit; `None` when it was paid at once.
    pub payment_deadline: Option<u64>,
    /// When it was released, in the same unit.
    pub released_at: Option<u64>,
    /// True once the queue knows that it was released.
    pub release_acknowledged: bool,
}

/// Why stock changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// The sale's first stock.
    Provision,
    /// An order took units.
    Order,
    /// An unpaid order gave its units back.
    Release,
    /// The stock was raised.
    Restock,
}

/// One change of a sale's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The sale.
    pub sale_id: String,
    /// Why.
    pub kind: MovementKind,
    /// Units added to what remains; below zero for an order.
    pub units: i64,
    /// The ticket whose order took the units or gave them back.
    pub ticket_id: Option<String>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub moved_at: u64,
}

/// A sale's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockLevel {
    /// The sale.
    pub sale_id: String,
    /// All units that were ever put on sale.
    pub stock: SaleStock,
    /// Units that are left; [`SaleStock::Unlimited`] for a sale without stock.
    pub remaining: SaleStock,
    /// The sum of the sale's movements: equal to `remaining` where there is stock.
    pub moved: i64,
}

impl OrderStore {
    /// Every order, in the order of creation.
    ///
    /// # Errors
    ///
    /// When the database fails or holds what this version cannot read.
    pub async fn orders(&self) -> Result<Vec<Order>, OrderStoreError> {
        let rows = sqlx::query(READ_ORDERS).fetch_all(self.database.reader()).await?;
        rows.iter().map(order).collect()
    }

    /// How many orders are not at rest: they await their payment, or were released and the queue does not know it yet.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pending(&self) -> Result<u64, OrderStoreError> {
        let row = sqlx::query(COUNT_PENDING).fetch_one(self.database.reader()).await?;
        number(&row, "pending")
    }

    /// Every change of stock, in the order it was made.
    ///
    /// # Errors
    ///
    /// When the database fails or holds what this version cannot read.
    pub async fn movements(&self) -> Result<Vec<Movement>, OrderStoreError> {
        let rows = sqlx::query(READ_MOVEMENTS).fetch_all(self.database.reader()).await?;
        rows.iter().map(movement).collect()
    }

    /// The stock of every sale, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the database fails or holds what this version cannot read.
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

impl MovementKind {
    /// The word in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Order => "order",
            Self::Release => "release",
            Self::Restock => "restock",
        }
    }

    fn parse(word: &str) -> Result<Self, OrderStoreError> {
        [Self::Provision, Self::Order, Self::Release, Self::Restock]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| OrderStoreError::Inconsistent(format!("a movement's kind is {word:?}")))
    }
}

fn order(row: &AnyRow) -> Result<Order, OrderStoreError> {
    Ok(Order {
        sequence: number(row, "sequence")?,
        ticket_id: row.try_get("ticket_id")?,
        order_id: row.try_get("order_id")?,
        sale_id: row.try_get("sale_id")?,
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
        sale_id: row.try_get("sale_id")?,
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
        sale_id: row.try_get("sale_id")?,
        stock: units("stock")?,
        remaining: units("remaining")?,
        moved: row.try_get("moved")?,
    })
}

fn number(row: &AnyRow, column: &str) -> Result<u64, OrderStoreError> {
    count(column, row.try_get(column)?)
}

fn optional_number(row: &AnyRow, column: &str) -> Result<Option<u64>, OrderStoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| count(column, value)).transpose()
}
