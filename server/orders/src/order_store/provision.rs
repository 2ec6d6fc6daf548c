//! Provisions the stock of a sale, and raises it.

use sqlx::Row as _;

use super::{
    MovementKind, OrderStore, OrderStoreError,
    database::{Connection, RunResult, UnitOfWork},
    now,
    rows::{MovementRow, count, integer, json},
    statements::{INSERT_STOCK, RAISE_STOCK, Statements},
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
    /// Provisions at least this stock. Safe to repeat.
    ///
    /// # Errors
    ///
    /// The outcome is unknown. Repeating the call is safe and returns it.
    pub async fn provision(&self, sale_id: &str, stock: SaleStock) -> Result<Provisioned, OrderStoreError> {
        self.database.transact(&Provision { sale_id, stock }).await
    }
}

struct Provision<'a> {
    sale_id: &'a str,
    stock: SaleStock,
}

impl UnitOfWork for Provision<'_> {
    type Output = Provisioned;

    async fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> Result<RunResult<Provisioned>, OrderStoreError> {
        if add(connection, statements, self.sale_id, self.stock).await? {
            return Ok(RunResult::Commit(Provisioned::Added));
        }
        raise(connection, statements, self.sale_id, self.stock).await.map(RunResult::Commit)
    }
}

async fn add(
    connection: &mut Connection,
    statements: &'static Statements,
    sale_id: &str,
    stock: SaleStock,
) -> Result<bool, OrderStoreError> {
    let units = match stock {
        SaleStock::Units(units) => Some(integer("a stock", units)?),
        SaleStock::Unlimited => None,
    };
    let added = sqlx::query(INSERT_STOCK).bind(sale_id).bind(units).execute(&mut *connection).await?;
    let is_new = added.rows_affected() == 1;
    if let (true, Some(units)) = (is_new, units) {
        record(connection, statements, sale_id, MovementKind::Provision, units).await?;
    }
    Ok(is_new)
}

async fn raise(
    connection: &mut Connection,
    statements: &'static Statements,
    sale_id: &str,
    requested: SaleStock,
) -> Result<Provisioned, OrderStoreError> {
    let row = sqlx::query(statements.lock_stock).bind(json(&[sale_id])?).fetch_one(&mut *connection).await?;
    let stock: Option<i64> = row.try_get("stock")?;
    let current = match stock {
        Some(units) => SaleStock::Units(count("a sale's stock", units)?),
        None => SaleStock::Unlimited,
    };
    match (current, requested) {
        (SaleStock::Units(current), SaleStock::Units(requested)) if requested > current => {
            let units = requested - current;
            let more = integer("a stock", units)?;
            sqlx::query(RAISE_STOCK).bind(sale_id).bind(more).execute(&mut *connection).await?;
            record(connection, statements, sale_id, MovementKind::Restock, more).await?;
            Ok(Provisioned::Restocked { units })
        }
        (current, requested) if current == requested => Ok(Provisioned::Unchanged),
        (current, _) => Ok(Provisioned::Conflict(current)),
    }
}

async fn record(
    connection: &mut Connection,
    statements: &'static Statements,
    sale_id: &str,
    kind: MovementKind,
    units: i64,
) -> Result<(), OrderStoreError> {
    let movement = [MovementRow { sale_id, kind: kind.as_str(), units, ticket_id: None }];
    sqlx::query(statements.insert_movements).bind(json(&movement)?).bind(now()).execute(connection).await?;
    Ok(())
}
