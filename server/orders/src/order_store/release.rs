//! Releases orders that were never paid, and records which releases the front has acknowledged.
//!
//! Units are returned here first and in the queue later. The other way round, the queue would admit a buyer
//! for units that are not there yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sqlx::Row as _;

use super::{
    MovementKind, OrderStore, OrderStoreError, SaleKey,
    database::{Connection, RunResult, UnitOfWork},
    milliseconds,
    queries::sale_key,
    rows::{MovementRow, StockChange, integer, json},
    statements::Statements,
    stock::{lock_stock, move_stock},
};

/// The delay before the front is notified again equals the time since the release, but is at least this …
const MIN_RELEASE_BACKOFF: Duration = Duration::from_millis(200);
/// … and at most this.
const MAX_RELEASE_BACKOFF: Duration = Duration::from_secs(60);

/// A released order that the front has not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnacknowledgedRelease {
    /// Its ticket.
    pub ticket_id: String,
    /// Its sale.
    pub sale: SaleKey,
}

/// An order to release.
struct Overdue {
    ticket_id: String,
    sale: SaleKey,
    units: i64,
}

impl OrderStore {
    /// Releases up to `limit` orders whose payment is overdue and returns their units to the stock, in one
    /// transaction; each order once, however many replicas do this. Returns how many were released.
    ///
    /// # Errors
    ///
    /// The outcome is unknown. Repeating the call is safe.
    pub async fn release_overdue(&self, limit: u32) -> Result<u32, OrderStoreError> {
        self.database.transact(&ReleaseOverdue { limit }).await
    }

    /// Released orders of which the front is to be notified now, the longest waiting first.
    ///
    /// # Errors
    ///
    /// A database error.
    pub async fn unacknowledged_releases(
        &self,
        limit: u32,
    ) -> Result<Vec<UnacknowledgedRelease>, OrderStoreError> {
        let rows = sqlx::query(self.database.statements().unacknowledged_releases)
            .bind(i64::from(limit))
            .fetch_all(self.database.reader())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(UnacknowledgedRelease { ticket_id: row.try_get("ticket_id")?, sale: sale_key(row)? })
            })
            .collect()
    }

    /// Records that the front has acknowledged the releases of these tickets.
    ///
    /// # Errors
    ///
    /// The outcome is unknown. Repeating the call is safe.
    pub async fn acknowledge_releases(&self, tickets: &[String]) -> Result<(), OrderStoreError> {
        self.database.transact(&Acknowledge { tickets: json(tickets)? }).await
    }

    /// Postpones the notification of these tickets, which the front could not record yet.
    ///
    /// # Errors
    ///
    /// The outcome is unknown. Repeating the call is safe.
    pub async fn postpone_releases(&self, tickets: &[String]) -> Result<(), OrderStoreError> {
        self.database.transact(&Postpone { tickets: json(tickets)? }).await
    }
}

struct ReleaseOverdue {
    limit: u32,
}

impl UnitOfWork for ReleaseOverdue {
    type Output = u32;

    async fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> Result<RunResult<u32>, OrderStoreError> {
        let overdue = find_overdue(connection, statements, self.limit).await?;
        if !overdue.is_empty() {
            release(connection, statements, &overdue).await?;
        }
        Ok(RunResult::Commit(u32::try_from(overdue.len()).unwrap_or(self.limit)))
    }
}

struct Acknowledge {
    tickets: String,
}

impl UnitOfWork for Acknowledge {
    type Output = ();

    async fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> Result<RunResult<()>, OrderStoreError> {
        sqlx::query(statements.mark_acknowledged).bind(self.tickets.as_str()).execute(connection).await?;
        Ok(RunResult::Commit(()))
    }
}

struct Postpone {
    tickets: String,
}

impl UnitOfWork for Postpone {
    type Output = ();

    async fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> Result<RunResult<()>, OrderStoreError> {
        sqlx::query(statements.postpone_acknowledgement)
            .bind(self.tickets.as_str())
            .bind(milliseconds(MIN_RELEASE_BACKOFF))
            .bind(milliseconds(MAX_RELEASE_BACKOFF))
            .execute(connection)
            .await?;
        Ok(RunResult::Commit(()))
    }
}

async fn find_overdue(
    connection: &mut Connection,
    statements: &'static Statements,
    limit: u32,
) -> Result<Vec<Overdue>, OrderStoreError> {
    let rows = sqlx::query(statements.overdue_orders).bind(i64::from(limit)).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(Overdue {
                ticket_id: row.try_get("ticket_id")?,
                sale: sale_key(row)?,
                units: row.try_get("units")?,
            })
        })
        .collect()
}

async fn release(
    connection: &mut Connection,
    statements: &'static Statements,
    overdue: &[Overdue],
) -> Result<(), OrderStoreError> {
    let sales: BTreeSet<&SaleKey> = overdue.iter().map(|order| &order.sale).collect();
    let mut stock = lock_stock(connection, statements, &sales).await?;
    let tickets: Vec<&str> = overdue.iter().map(|order| order.ticket_id.as_str()).collect();
    let released =
        sqlx::query(statements.mark_released).bind(json(&tickets)?).execute(&mut *connection).await?;
    if usize::try_from(released.rows_affected()).ok() != Some(overdue.len()) {
        return Err(OrderStoreError::Inconsistent(
            "an order that was locked was not there any more".to_owned(),
        ));
    }
    let mut returned: BTreeMap<&SaleKey, i64> = BTreeMap::new();
    let mut movements = Vec::new();
    for order in overdue {
        let SaleKey { sale_id, created_at } = &order.sale;
        if !matches!(stock.remaining(sale_id, *created_at), Some(Some(_))) {
            continue;
        }
        *returned.entry(&order.sale).or_default() += order.units;
        movements.push(MovementRow {
            sale_id,
            sale_created_at: integer("creation time", *created_at)?,
            kind: MovementKind::Release.as_str(),
            units: order.units,
            ticket_id: Some(&order.ticket_id),
        });
    }
    let mut changes = Vec::new();
    for (SaleKey { sale_id, created_at }, units) in returned {
        changes.push(StockChange { sale_id, sale_created_at: integer("creation time", *created_at)?, units });
    }
    move_stock(connection, statements, &changes, &movements).await
}
