//! Creates a batch of orders in one transaction.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row as _;

use super::{
    MovementKind, NewOrder, OrderState, OrderStore, OrderStoreError, Outcome, Payment, SaleKey, TicketOwner,
    database::{Connection, RunResult, UnitOfWork},
    milliseconds, now,
    plan::{Accepted, BuyerKey, KnownOrder, Plan, Snapshot, plan},
    queries::{number, sale_key},
    rows::{MovementRow, OrderKey, OrderRow, StockChange, integer, json},
    statements::Statements,
    stock::{Stock, lock_stock, move_stock},
};

impl OrderStore {
    /// Creates orders in the given order as far as the stock goes, with one outcome each, all in one
    /// transaction. A ticket that already has an order gets that order.
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
        snapshot.orders.insert(ticket_id, KnownOrder { order_id: row.try_get("order_id")?, owner });
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
    let now = now();
    let rows = accepted.iter().map(|accepted| order_row(accepted, now)).collect::<Result<Vec<_>, _>>()?;
    let inserted =
        sqlx::query(statements.insert_orders).bind(json(&rows)?).bind(now).execute(connection).await?;
    Ok(usize::try_from(inserted.rows_affected()).is_ok_and(|inserted| inserted == rows.len()))
}

fn order_row<'a>(accepted: &'a Accepted<'_>, now: i64) -> Result<OrderRow<'a>, OrderStoreError> {
    let order = accepted.order;
    let (state, payment_deadline) = match order.payment {
        Payment::Paid => (OrderState::Paid, None),
        Payment::Awaited(limit) => {
            (OrderState::AwaitingPayment, Some(now.saturating_add(milliseconds(limit))))
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
        payment_deadline,
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
