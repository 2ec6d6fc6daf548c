//! Creates a batch of orders in one transaction.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use sqlx::Row as _;

use super::{
    MovementKind, NewOrder, OrderState, OrderStore, OrderStoreError, Outcome, Payment, SaleKey, TicketOwner,
    database::{Connection, RunResult, UnitOfWork},
    milliseconds,
    plan::{Accepted, BuyerKey, KnownOrder, Plan, Snapshot, plan},
    queries::{number, sale_key},
    rows::{MovementRow, OrderKey, OrderRow, StockChange, integer, json},
    statements::Statements,
    stock::{Stock, lock_stock, move_stock},
};

/// A thousand years: a longer one would not fit a deadline.
const MAX_PAYMENT_TIMEOUT: Duration = Duration::from_secs(32_000_000_000);
/// When the front is notified again of a release whose ticket was sent again: once that attempt is settled, since the
/// front refuses to release a ticket before.
const NOTIFY_AGAIN_DELAY: Duration = Duration::from_secs(1);

impl OrderStore {
    /// Creates orders in the given order as far as the stock goes, with one outcome each, all in one
    /// transaction. A ticket that already has an order gets that order. If it was released, the front is notified of
    /// that again: the line has forgotten it.
    ///
    /// # Errors
    ///
    /// The outcome is unknown. Repeating the call is safe and returns it.
    pub async fn create(&self, orders: &[NewOrder]) -> Result<Vec<Outcome>, OrderStoreError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        self.database.transact(&CreateOrders { orders }).await
    }

    /// Creates orders as [`create`](Self::create) does, with one result each: an order that the database refuses does
    /// not affect the others. The batch is halved until such an order is found.
    pub(crate) async fn create_each(
        &self,
        orders: &[NewOrder],
    ) -> Vec<Result<Outcome, Arc<OrderStoreError>>> {
        let mut results = Vec::with_capacity(orders.len());
        let mut parts = vec![orders];
        while let Some(part) = parts.pop() {
            match self.create(part).await {
                Ok(outcomes) => results.extend(outcomes.into_iter().map(Ok)),
                Err(error) if part.len() > 1 && error.is_of_data() => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) if error.is_of_data() => results.push(Err(Arc::new(error))),
                Err(error) => {
                    // The database is unavailable: further attempts would only take time.
                    let error = Arc::new(error);
                    results.resize_with(orders.len(), || Err(Arc::clone(&error)));
                    break;
                }
            }
        }
        results
    }
}

struct CreateOrders<'a> {
    orders: &'a [NewOrder],
}

impl UnitOfWork for CreateOrders<'_> {
    type Output = Vec<Outcome>;

    async fn run(
        &self,
        connection: &mut Connection,
        statements: &'static Statements,
    ) -> Result<RunResult<Vec<Outcome>>, OrderStoreError> {
        let snapshot = read_snapshot(connection, statements, self.orders).await?;
        let plan = plan(self.orders, snapshot, new_order_id);
        if !plan.released.is_empty() {
            sqlx::query(statements.notify_again)
                .bind(json(&plan.released)?)
                .bind(milliseconds(NOTIFY_AGAIN_DELAY))
                .execute(&mut *connection)
                .await?;
        }
        if plan.accepted.is_empty() {
            return Ok(RunResult::Commit(plan.outcomes));
        }
        if !insert(connection, statements, &plan.accepted).await? {
            // Another replica has created one of these orders since the snapshot. The next run sees it.
            return Ok(RunResult::Retry);
        }
        take_stock(connection, statements, &plan).await?;
        Ok(RunResult::Commit(plan.outcomes))
    }
}

/// Locks the stock of every sale of the batch, and only then looks for orders, so that it sees what earlier
/// transactions did to these sales.
async fn read_snapshot(
    connection: &mut Connection,
    statements: &'static Statements,
    orders: &[NewOrder],
) -> Result<Snapshot, OrderStoreError> {
    let sales: BTreeSet<&SaleKey> = orders.iter().map(|order| &order.sale).collect();
    let stock = lock_stock(connection, statements, &sales).await?;
    let mut snapshot = Snapshot { stock, orders: HashMap::new(), live: HashMap::new() };
    let keys = orders.iter().map(|order| order_key(order, &snapshot.stock)).collect::<Result<Vec<_>, _>>()?;
    for row in sqlx::query(statements.find_orders).bind(json(&keys)?).fetch_all(&mut *connection).await? {
        let ticket_id: String = row.try_get("ticket_id")?;
        let owner = TicketOwner { buyer_id: row.try_get("buyer_id")?, units: number(&row, "units")? };
        if number(&row, "is_live")? == 1 {
            let buyer = BuyerKey { sale: sale_key(&row)?, buyer_id: owner.buyer_id.clone() };
            snapshot.live.insert(buyer, ticket_id.clone());
        }
        let known = KnownOrder {
            order_id: row.try_get("order_id")?,
            owner,
            release_acknowledged: number(&row, "release_acknowledged")? == 1,
        };
        snapshot.orders.insert(ticket_id, known);
    }
    Ok(snapshot)
}

fn order_key<'a>(order: &'a NewOrder, stock: &Stock) -> Result<OrderKey<'a>, OrderStoreError> {
    let creation = stock.creation(&order.sale);
    Ok(OrderKey {
        ticket_id: &order.ticket_id,
        sale_id: &order.sale.sale_id,
        sale_created_at: creation.map(|created_at| integer("creation time", created_at)).transpose()?,
        buyer_id: &order.buyer_id,
    })
}

/// Inserts the orders. Returns false if one of the tickets or buyers has an order by now.
async fn insert(
    connection: &mut Connection,
    statements: &'static Statements,
    accepted: &[Accepted<'_>],
) -> Result<bool, OrderStoreError> {
    let rows = accepted.iter().map(order_row).collect::<Result<Vec<_>, _>>()?;
    let inserted = sqlx::query(statements.insert_orders).bind(json(&rows)?).execute(connection).await?;
    Ok(usize::try_from(inserted.rows_affected()).is_ok_and(|inserted| inserted == rows.len()))
}

fn order_row<'a>(accepted: &'a Accepted<'_>) -> Result<OrderRow<'a>, OrderStoreError> {
    let order = accepted.order;
    let (state, payment_timeout) = match order.payment {
        Payment::Paid => (OrderState::Paid, None),
        Payment::Awaited(limit) => {
            (OrderState::AwaitingPayment, Some(milliseconds(limit.min(MAX_PAYMENT_TIMEOUT))))
        }
    };
    Ok(OrderRow {
        ticket_id: &order.ticket_id,
        order_id: &accepted.order_id,
        sale_id: &order.sale.sale_id,
        sale_created_at: integer("creation time", accepted.sale_created_at)?,
        seq: integer("seq", order.seq)?,
        buyer_id: &order.buyer_id,
        units: integer("units", order.units)?,
        attempt: order.attempt,
        state: state.as_str(),
        payment_timeout,
        one_per_buyer: u8::from(accepted.takes_stock),
    })
}

/// Records the units taken, in the movements and in the stock.
async fn take_stock(
    connection: &mut Connection,
    statements: &'static Statements,
    plan: &Plan<'_>,
) -> Result<(), OrderStoreError> {
    let mut changes = Vec::new();
    for ((sale_id, created_at), units) in plan.taken() {
        let sale_created_at = integer("creation time", created_at)?;
        changes.push(StockChange { sale_id, sale_created_at, units: -integer("units", units)? });
    }
    let mut movements = Vec::new();
    for accepted in plan.accepted.iter().filter(|accepted| accepted.takes_stock) {
        movements.push(MovementRow {
            sale_id: &accepted.order.sale.sale_id,
            sale_created_at: integer("creation time", accepted.sale_created_at)?,
            kind: MovementKind::Order.as_str(),
            units: -integer("units", accepted.order.units)?,
            ticket_id: Some(&accepted.order.ticket_id),
        });
    }
    move_stock(connection, statements, &changes, &movements).await
}

/// 128 random bits: unique, and cannot be guessed.
fn new_order_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
