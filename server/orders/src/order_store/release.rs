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
    MovementKind, OrderStore, OrderStoreError,
    create::move_stock,
    database::{Connection, RunResult, UnitOfWork},
    milliseconds, now,
    rows::{MovementRow, StockChange, json},
    statements::{Statements, UNACKNOWLEDGED_RELEASES},
};

/// The delay before the front is notified again equals the time since the release, but is at least this …
const MIN_RELEASE_BACKOFF: Duration = Duration::from_millis(200);
/// … and at most this.
const MAX_RELEASE_BACKOFF: Duration = Duration::from_secs(60);

/// An order to release.
struct Overdue {
    ticket_id: String,
    sale_id: String,
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

    /// Tickets of released orders of which the front is to be notified now, the longest waiting first.
    ///
    /// # Errors
    ///
    /// A database error.
    pub async fn unacknowledged_releases(&self, limit: u32) -> Result<Vec<String>, OrderStoreError> {
        let rows = sqlx::query(UNACKNOWLEDGED_RELEASES)
            .bind(now())
            .bind(i64::from(limit))
            .fetch_all(self.database.reader())
            .await?;
        rows.iter().map(|row| Ok(row.try_get("ticket_id")?)).collect()
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
            .bind(now())
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
    let rows = sqlx::query(statements.overdue_orders)
        .bind(now())
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Overdue {
                ticket_id: row.try_get("ticket_id")?,
                sale_id: row.try_get("sale_id")?,
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
    let limited = sales_with_stock(connection, statements, overdue).await?;
    let tickets: Vec<&str> = overdue.iter().map(|order| order.ticket_id.as_str()).collect();
    let released = sqlx::query(statements.mark_released)
        .bind(json(&tickets)?)
        .bind(now())
        .execute(&mut *connection)
        .await?;
    if usize::try_from(released.rows_affected()).ok() != Some(overdue.len()) {
        return Err(OrderStoreError::Inconsistent(
            "an order that was locked was not there any more".to_owned(),
        ));
    }
    let mut returned: BTreeMap<&str, i64> = BTreeMap::new();
    let mut movements = Vec::new();
    for order in overdue.iter().filter(|order| limited.contains(&order.sale_id)) {
        *returned.entry(&order.sale_id).or_default() += order.units;
        movements.push(MovementRow {
            sale_id: &order.sale_id,
            kind: MovementKind::Release.as_str(),
            units: order.units,
            ticket_id: Some(&order.ticket_id),
        });
    }
    let changes: Vec<_> =
        returned.into_iter().map(|(sale_id, units)| StockChange { sale_id, units }).collect();
    move_stock(connection, statements, &changes, &movements).await
}

/// Locks the stock of these sales; sales without stock are left out.
async fn sales_with_stock(
    connection: &mut Connection,
    statements: &'static Statements,
    overdue: &[Overdue],
) -> Result<BTreeSet<String>, OrderStoreError> {
    let sales: BTreeSet<&str> = overdue.iter().map(|order| order.sale_id.as_str()).collect();
    let mut limited = BTreeSet::new();
    for row in sqlx::query(statements.lock_stock).bind(json(&sales)?).fetch_all(connection).await? {
        let remaining: Option<i64> = row.try_get("remaining")?;
        if remaining.is_some() {
            limited.insert(row.try_get("sale_id")?);
        }
    }
    Ok(limited)
}
