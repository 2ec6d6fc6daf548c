//! Provisions the stock of a sale, and raises it.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::{
    MovementKind, OrderStore, OrderStoreError, SaleKey,
    database::{Connection, RunResult, UnitOfWork},
    rows::{MovementRow, count, integer, json},
    statements::{INSERT_STOCK, RAISE_STOCK, READ_STOCK_OF, Statements},
    stock::lock_stock,
};

/// The stock of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleStock {
    /// This many units.
    Units(u64),
    /// No stock: every order is created.
    Unlimited,
}

/// The result of provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// The sale was added.
    Added,
    /// The sale had less; the difference was added.
    Restocked {
        /// Units added.
        units: u64,
    },
    /// The sale already has this stock.
    Unchanged,
    /// The sale has more, or one side has a stock and the other has none. Nothing was changed, since units
    /// that are sold cannot be taken back.
    Conflict(SaleStock),
}

impl OrderStore {
    /// Provisions at least this stock. Safe to repeat. For a sale whose creation is not known, the stock is that of its
    /// latest creation.
    ///
    /// # Errors
    ///
    /// The outcome is unknown. Repeating the call is safe and returns it.
    pub async fn provision(
        &self,
        sale: impl Into<SaleKey>,
        stock: SaleStock,
    ) -> Result<Provisioned, OrderStoreError> {
        self.database.transact(&Provision { sale: sale.into(), stock }).await
    }
}

struct Provision {
    sale: SaleKey,
    stock: SaleStock,
}

impl UnitOfWork for Provision {
    type Output = Provisioned;

    async fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> Result<RunResult<Provisioned>, OrderStoreError> {
        let Self { sale, stock } = self;
        let known = lock_stock(connection, statements, &BTreeSet::from([sale])).await?;
        match known.creation(sale) {
            Some(created_at) => {
                let sale = SaleKey { created_at, ..sale.clone() };
                raise(connection, statements, &sale, *stock).await.map(RunResult::Commit)
            }
            None if add(connection, statements, sale, *stock).await? => {
                Ok(RunResult::Commit(Provisioned::Added))
            }
            // Another replica has just added it.
            None => Ok(RunResult::Retry),
        }
    }
}

async fn add(
    connection: &mut Connection,
    statements: &'static Statements,
    sale: &SaleKey,
    stock: SaleStock,
) -> Result<bool, OrderStoreError> {
    let units = match stock {
        SaleStock::Units(units) => Some(integer("a stock", units)?),
        SaleStock::Unlimited => None,
    };
    let added = sqlx::query(INSERT_STOCK)
        .bind(sale.sale_id.as_str())
        .bind(integer("creation time", sale.created_at)?)
        .bind(units)
        .execute(&mut *connection)
        .await?;
    let is_new = added.rows_affected() == 1;
    if let (true, Some(units)) = (is_new, units) {
        record(connection, statements, sale, MovementKind::Provision, units).await?;
    }
    Ok(is_new)
}

async fn raise(
    connection: &mut Connection,
    statements: &'static Statements,
    sale: &SaleKey,
    requested: SaleStock,
) -> Result<Provisioned, OrderStoreError> {
    let created_at = integer("creation time", sale.created_at)?;
    let row = sqlx::query(READ_STOCK_OF)
        .bind(sale.sale_id.as_str())
        .bind(created_at)
        .fetch_one(&mut *connection)
        .await?;
    let stock: Option<i64> = row.try_get("stock")?;
    let current = match stock {
        Some(units) => SaleStock::Units(count("a sale's stock", units)?),
        None => SaleStock::Unlimited,
    };
    match (current, requested) {
        (SaleStock::Units(current), SaleStock::Units(requested)) if requested > current => {
            let units = requested - current;
            let more = integer("a stock", units)?;
            sqlx::query(RAISE_STOCK)
                .bind(sale.sale_id.as_str())
                .bind(created_at)
                .bind(more)
                .execute(&mut *connection)
                .await?;
            record(connection, statements, sale, MovementKind::Restock, more).await?;
            Ok(Provisioned::Restocked { units })
        }
        (current, requested) if current == requested => Ok(Provisioned::Unchanged),
        (current, _) => Ok(Provisioned::Conflict(current)),
    }
}

async fn record(
    connection: &mut Connection,
    statements: &'static Statements,
    sale: &SaleKey,
    kind: MovementKind,
    units: i64,
) -> Result<(), OrderStoreError> {
    let movement = [MovementRow {
        sale_id: &sale.sale_id,
        sale_created_at: integer("creation time", sale.created_at)?,
        kind: kind.as_str(),
        units,
        ticket_id: None,
    }];
    sqlx::query(statements.insert_movements).bind(json(&movement)?).execute(connection).await?;
    Ok(())
}
