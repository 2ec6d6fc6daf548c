//! The databases that every test of the order store runs on.

use std::sync::atomic::{AtomicU32, Ordering};

use inrush_orders::{DatabaseUrl, NewOrder, OrderStore, Outcome, Payment, SaleKey, SaleStock};
use inrush_testkit::postgres::Postgres;
use tempfile::TempDir;

/// An empty database.
pub(crate) struct TestDatabase {
    pub(crate) url: DatabaseUrl,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("orders.db").display()).parse().unwrap();
        Self { url, _folder: Some(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let server = Postgres::shared().await.unwrap_or_else(|error| panic!("{error:#}"));
        let name = format!("inrush_orders_{}_{number}", std::process::id());
        let url = server.create_database(&name).await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { url: url.parse().unwrap(), _folder: None }
    }

    pub(crate) async fn open(&self) -> OrderStore {
        OrderStore::open(&self.url).await.unwrap()
    }
}

/// Runs `async fn NAME(database: TestDatabase)` as two tests, one on each database.
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use crate::databases::TestDatabase;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$test(TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$test(TestDatabase::postgres().await).await;
            }
        }
    )+};
}
pub(crate) use on_every_database;

/// An order of the sale's ticket with this seq, paid immediately.
pub(crate) fn order(sale_id: &str, seq: u64, units: u64) -> NewOrder {
    NewOrder {
        ticket_id: format!("{sale_id}/1/{seq}"),
        sale: sale_id.into(),
        seq,
        buyer_id: format!("buyer-{seq}"),
        units,
        attempt: 1,
        payment: Payment::Paid,
    }
}

/// The order id, if an order was created.
pub(crate) fn order_id(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Created { order_id, .. } => Some(order_id),
        Outcome::TicketTaken(_)
        | Outcome::AlreadyOrdered { .. }
        | Outcome::OutOfStock
        | Outcome::UnknownSale => None,
    }
}

/// The sale of this id that was created at this time.
pub(crate) fn creation(sale_id: &str, created_at: u64) -> SaleKey {
    SaleKey { sale_id: sale_id.to_owned(), created_at }
}

/// The remaining stock of the only creation of a sale.
pub(crate) async fn remaining(store: &OrderStore, sale_id: &str) -> u64 {
    match remaining_of_creations(store, sale_id).await[..] {
        [(_, units)] => units,
        ref creations => panic!("{sale_id} has several creations: {creations:?}"),
    }
}

/// The creations of a sale with stock, and what remains of each.
pub(crate) async fn remaining_of_creations(store: &OrderStore, sale_id: &str) -> Vec<(u64, u64)> {
    let levels = store.stock().await.unwrap().into_iter().filter(|level| level.sale.sale_id == sale_id);
    levels
        .map(|level| match level.remaining {
            SaleStock::Units(units) => (level.sale.created_at, units),
            SaleStock::Unlimited => panic!("{sale_id} has no stock"),
        })
        .collect()
}

/// Checks the invariants of an idle order store.
pub(crate) async fn check(store: &OrderStore) {
    let orders = store.orders().await.unwrap();
    let movements = store.movements().await.unwrap();
    for level in store.stock().await.unwrap() {
        let SaleStock::Units(stock) = level.stock else { continue };
        let SaleStock::Units(remaining) = level.remaining else { panic!("{level:?}") };
        assert_eq!(level.moved, i64::try_from(remaining).unwrap(), "{level:?}");
        let held: u64 = orders
            .iter()
            .filter(|order| order.sale == level.sale && order.released_at.is_none())
            .map(|order| order.units)
            .sum();
        assert_eq!(stock, remaining + held, "{level:?}");
        let moved: i64 = movements
            .iter()
            .filter(|movement| movement.sale == level.sale)
            .map(|movement| movement.units)
            .sum();
        assert_eq!(moved, level.moved, "{level:?}");
    }
    let mut tickets: Vec<_> = orders.iter().map(|order| &order.ticket_id).collect();
    tickets.sort_unstable();
    tickets.dedup();
    assert_eq!(tickets.len(), orders.len(), "a ticket has two orders");
}
