//! Rows of the tables: what is written, as the JSON that the statements expand.

use serde::Serialize;

use super::OrderStoreError;

/// A row of `orders`.
#[derive(Serialize)]
pub(super) struct OrderRow<'a> {
    pub(super) ticket_id: &'a str,
    pub(super) order_id: &'a str,
    pub(super) sale_id: &'a str,
    pub(super) sale_created_at: i64,
    pub(super) seq: i64,
    pub(super) buyer_id: &'a str,
    pub(super) units: i64,
    pub(super) attempt: u32,
    pub(super) state: &'a str,
    /// In milliseconds from now.
    pub(super) payment_timeout: Option<i64>,
    /// 1 in a sale with stock.
    pub(super) one_per_buyer: u8,
}

/// What identifies an order: its ticket, and in a sale with stock its buyer.
#[derive(Serialize)]
pub(super) struct OrderKey<'a> {
    pub(super) ticket_id: &'a str,
    pub(super) sale_id: &'a str,
    /// `None` for a sale that is not known, and so has no orders.
    pub(super) sale_created_at: Option<i64>,
    pub(super) buyer_id: &'a str,
}

/// A row of `stock_movements`.
#[derive(Serialize)]
pub(super) struct MovementRow<'a> {
    pub(super) sale_id: &'a str,
    pub(super) sale_created_at: i64,
    pub(super) kind: &'a str,
    pub(super) units: i64,
    pub(super) ticket_id: Option<&'a str>,
}

/// The reason for a change of stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// The sale's first stock.
    Provision,
    /// An order took units.
    Order,
    /// The units of an unpaid order were returned.
    Release,
    /// The stock was raised.
    Restock,
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

    pub(super) fn parse(word: &str) -> Result<Self, OrderStoreError> {
        [Self::Provision, Self::Order, Self::Release, Self::Restock]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| OrderStoreError::Inconsistent(format!("a movement's kind is {word:?}")))
    }
}

/// Units to add to the remaining units of a sale.
#[derive(Serialize)]
pub(super) struct StockChange<'a> {
    pub(super) sale_id: &'a str,
    pub(super) sale_created_at: i64,
    pub(super) units: i64,
}

/// The JSON parameter of a statement over many rows.
pub(super) fn json(rows: &(impl Serialize + ?Sized)) -> Result<String, OrderStoreError> {
    serde_json::to_string(rows)
        .map_err(|error| OrderStoreError::Inconsistent(format!("rows cannot be written as JSON: {error}")))
}

/// A count as an integer of the database.
pub(super) fn integer(what: &'static str, value: u64) -> Result<i64, OrderStoreError> {
    i64::try_from(value).map_err(|_| OrderStoreError::TooLarge { what, value })
}

/// An integer of the database as a count.
pub(super) fn count(what: &str, value: i64) -> Result<u64, OrderStoreError> {
    u64::try_from(value).map_err(|_| OrderStoreError::Inconsistent(format!("{what} is {value}")))
}
