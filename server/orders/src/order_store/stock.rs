//! The stock of sales: found and locked, bound to a creation, changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::Row as _;

use super::{
    OrderStoreError, SaleKey,
    database::Connection,
    queries::sale_key,
    rows::{MovementRow, StockChange, count, json},
    statements::Statements,
};

/// Remaining units by sale and creation; `None` for a sale without stock. A missing one is unknown.
#[derive(Debug, Default)]
pub(super) struct Stock(HashMap<String, BTreeMap<u64, Option<u64>>>);

impl Stock {
    pub(super) fn insert(&mut self, sale: SaleKey, remaining: Option<u64>) {
        self.0.entry(sale.sale_id).or_default().insert(sale.created_at, remaining);
    }

    /// The creation that an order of this sale belongs to: the latest if the order does not name one.
    pub(super) fn creation(&self, sale: &SaleKey) -> Option<u64> {
        let creations = self.0.get(&sale.sale_id)?;
        match sale.created_at {
            0 => creations.last_key_value().map(|(&latest, _)| latest),
            created_at => creations.contains_key(&created_at).then_some(created_at),
        }
    }

    /// What remains of exactly this creation.
    pub(super) fn remaining(&mut self, sale_id: &str, created_at: u64) -> Option<&mut Option<u64>> {
        self.0.get_mut(sale_id)?.get_mut(&created_at)
    }
}

/// Locks the stock of these sales. The first creation that becomes known gets the stock that belonged to none.
pub(super) async fn lock_stock(
    connection: &mut Connection,
    statements: &'static Statements,
    sales: &BTreeSet<&SaleKey>,
) -> Result<Stock, OrderStoreError> {
    let stock = lock_known(connection, statements, sales).await?;
    let unknown = sales.iter().filter(|sale| sale.created_at > 0 && stock.creation(sale).is_none());
    // The earliest creation of each sale.
    let unknown: BTreeMap<&str, &SaleKey> =
        unknown.rev().map(|sale| (sale.sale_id.as_str(), *sale)).collect();
    if unknown.is_empty() {
        return Ok(stock);
    }
    let unknown: Vec<&SaleKey> = unknown.into_values().collect();
    sqlx::query(statements.bind_stock).bind(json(&unknown)?).execute(&mut *connection).await?;
    lock_known(connection, statements, sales).await
}

async fn lock_known(
    connection: &mut Connection,
    statements: &'static Statements,
    sales: &BTreeSet<&SaleKey>,
) -> Result<Stock, OrderStoreError> {
    let mut stock = Stock::default();
    for row in sqlx::query(statements.lock_stock).bind(json(sales)?).fetch_all(connection).await? {
        let units: Option<i64> = row.try_get("remaining")?;
        let units = units.map(|units| count("a sale's remaining stock", units)).transpose()?;
        stock.insert(sale_key(&row)?, units);
    }
    Ok(stock)
}

/// Changes stock and records the reason. All or nothing: a change that does not fit is an error, which rolls
/// the transaction back.
pub(super) async fn move_stock(
    connection: &mut Connection,
    statements: &'static Statements,
    changes: &[StockChange<'_>],
    movements: &[MovementRow<'_>],
) -> Result<(), OrderStoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let changed =
        sqlx::query(statements.change_remaining).bind(json(changes)?).execute(&mut *connection).await?;
    if usize::try_from(changed.rows_affected()).ok() != Some(changes.len()) {
        return Err(OrderStoreError::Inconsistent("a locked stock row has vanished".to_owned()));
    }
    sqlx::query(statements.insert_movements).bind(json(movements)?).execute(connection).await?;
    Ok(())
}
