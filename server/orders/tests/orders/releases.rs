//! Orders that are never paid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inrush_orders::{MovementKind, NewOrder, OrderState, OrderStore, Payment, SaleStock};

use crate::{
    databases::{TestDatabase, check, on_every_database, order, order_id, remaining},
    streams::connect,
};

on_every_database!(
    an_unpaid_order_is_released_once,
    paid_orders_and_orders_before_their_deadline_are_not_released,
    the_ticket_of_a_released_order_still_gets_that_order,
    releases_are_reported_until_acknowledged,
    a_release_is_reported_again_if_its_ticket_is_sent_again,
    concurrent_releases_and_orders_keep_the_stock_balanced,
);

fn unpaid(sale_id: &str, seq: u64) -> NewOrder {
    NewOrder { payment: Payment::Awaited(Duration::ZERO), ..order(sale_id, seq, 1) }
}

/// The tickets of releases that are reported now.
async fn to_report(store: &OrderStore, limit: u32) -> Vec<String> {
    let releases = store.unacknowledged_releases(limit).await.unwrap();
    releases.into_iter().map(|release| release.ticket_id).collect()
}

async fn an_unpaid_order_is_released_once(database: TestDatabase) {
    const ORDERS: u64 = 60;
    let replicas = [database.open().await, database.open().await];
    replicas[0].provision("shoes", SaleStock::Units(ORDERS)).await.unwrap();
    let orders: Vec<NewOrder> = (1..=ORDERS).map(|seq| unpaid("shoes", seq)).collect();
    replicas[0].create(&orders).await.unwrap();
    assert_eq!(remaining(&replicas[0], "shoes").await, 0);

    let releasers = (0..6).map(|releaser| {
        let store = replicas[releaser % 2].clone();
        tokio::spawn(async move {
            let mut released = 0;
            for _ in 0..20 {
                released += u64::from(store.release_overdue(4).await.unwrap());
            }
            released
        })
    });
    let released = futures_util::future::join_all(releasers).await;
    assert_eq!(released.into_iter().map(Result::unwrap).sum::<u64>(), ORDERS);
    assert_eq!(remaining(&replicas[1], "shoes").await, ORDERS);
    let movements = replicas[1].movements().await.unwrap();
    let returned = movements.iter().filter(|movement| movement.kind == MovementKind::Release);
    assert_eq!(returned.count() as u64, ORDERS);
    check(&replicas[1]).await;
}

async fn paid_orders_and_orders_before_their_deadline_are_not_released(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(3)).await.unwrap();
    let in_time = NewOrder { payment: Payment::Awaited(Duration::from_secs(3_600)), ..order("shoes", 2, 1) };
    store.create(&[order("shoes", 1, 1), in_time, unpaid("shoes", 3)]).await.unwrap();
    assert_eq!(store.release_overdue(10).await.unwrap(), 1);
    assert_eq!(store.release_overdue(10).await.unwrap(), 0);
    let orders = store.orders().await.unwrap();
    let states: Vec<OrderState> = orders.iter().map(|order| order.state).collect();
    assert_eq!(states, [OrderState::Paid, OrderState::AwaitingPayment, OrderState::Released]);
    assert_eq!(orders[0].payment_deadline, None);
    assert_eq!(orders[1].payment_deadline, Some(orders[1].created_at + 3_600_000));
    check(&store).await;
}

async fn the_ticket_of_a_released_order_still_gets_that_order(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(1)).await.unwrap();
    let first = store.create(&[unpaid("shoes", 1)]).await.unwrap();
    store.release_overdue(10).await.unwrap();
    let again = store.create(&[unpaid("shoes", 1)]).await.unwrap();
    assert_eq!(order_id(&again[0]), order_id(&first[0]));
    assert_eq!(remaining(&store, "shoes").await, 1, "it takes no stock a second time");
    let other = store.create(&[order("shoes", 2, 1)]).await.unwrap();
    assert!(order_id(&other[0]).is_some(), "another ticket gets the unit");
    check(&store).await;
}

async fn releases_are_reported_until_acknowledged(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(3)).await.unwrap();
    store.create(&[unpaid("shoes", 1), unpaid("shoes", 2), unpaid("shoes", 3)]).await.unwrap();
    assert!(to_report(&store, 10).await.is_empty(), "nothing is released yet");
    store.release_overdue(10).await.unwrap();
    assert_eq!(to_report(&store, 2).await.len(), 2);
    assert_eq!(to_report(&store, 10).await, ["shoes/1/1", "shoes/1/2", "shoes/1/3"]);

    store.acknowledge_releases(&["shoes/1/1".to_owned()]).await.unwrap();
    store.postpone_releases(&["shoes/1/2".to_owned()]).await.unwrap();
    let to_tell = to_report(&store, 10).await;
    assert!(to_tell.contains(&"shoes/1/3".to_owned()) && !to_tell.contains(&"shoes/1/1".to_owned()));
    store.close().await;

    // After a restart, and once it is due, the postponed release is reported again.
    let store = database.open().await;
    while to_report(&store, 10).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.acknowledge_releases(&["shoes/1/2".to_owned(), "shoes/1/3".to_owned()]).await.unwrap();
    assert!(to_report(&store, 10).await.is_empty());
    assert!(store.orders().await.unwrap().iter().all(|order| order.release_acknowledged));
}

/// The line has forgotten the outcome of the ticket: the answer makes it ordered, and the report released.
async fn a_release_is_reported_again_if_its_ticket_is_sent_again(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(2)).await.unwrap();
    let first = store.create(&[unpaid("shoes", 1), unpaid("shoes", 2)]).await.unwrap();
    store.release_overdue(10).await.unwrap();
    store.acknowledge_releases(&to_report(&store, 10).await).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), 0);
    let stranger = NewOrder { buyer_id: "stranger".to_owned(), ..order("shoes", 2, 1) };
    let again = store.create(&[order("shoes", 1, 1), stranger]).await.unwrap();
    assert_eq!(order_id(&again[0]), order_id(&first[0]));
    assert_eq!(store.pending().await.unwrap(), 1, "only the buyer's own request counts");
    while to_report(&store, 10).await != ["shoes/1/1"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(remaining(&store, "shoes").await, 2, "its units are not returned twice");
    check(&store).await;
}

/// The deadlines of replicas whose clocks differ are consistent.
#[tokio::test]
async fn times_are_those_of_the_clock_of_the_database() {
    let database = TestDatabase::postgres().await;
    let mut connection = connect(&database.url).await;
    let url = database.url.to_string();
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let ahead = format!(
        "CREATE SCHEMA ahead;
         CREATE FUNCTION ahead.statement_timestamp() RETURNS timestamptz LANGUAGE sql
             AS $$ SELECT pg_catalog.statement_timestamp() + interval '1 day' $$;
         ALTER DATABASE {name} SET search_path = public, ahead, pg_catalog"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(ahead)).execute(&mut connection).await.unwrap();
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(1)).await.unwrap();
    let hour = Duration::from_secs(3_600);
    store.create(&[NewOrder { payment: Payment::Awaited(hour), ..order("shoes", 1, 1) }]).await.unwrap();
    assert_eq!(store.release_overdue(10).await.unwrap(), 0);
    let order = store.orders().await.unwrap().remove(0);
    let in_half_a_day = SystemTime::now() + hour * 12;
    let in_half_a_day = in_half_a_day.duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(order.created_at) > in_half_a_day, "{order:?}");
    assert_eq!(order.payment_deadline, Some(order.created_at + 3_600_000));
}

async fn concurrent_releases_and_orders_keep_the_stock_balanced(database: TestDatabase) {
    const SALES: [&str; 2] = ["hats", "shoes"];
    let replicas = [database.open().await, database.open().await];
    for sale in SALES {
        replicas[0].provision(sale, SaleStock::Units(10)).await.unwrap();
    }
    let workers = (0..4).map(|worker: usize| {
        let store = replicas[worker % 2].clone();
        tokio::spawn(async move {
            for batch in 0..15 {
                let seq = |place| (worker * 1_000 + batch * 4 + place + 1) as u64;
                let orders: Vec<NewOrder> =
                    (0..4).map(|place| unpaid(SALES[(worker + place) % 2], seq(place))).collect();
                store.create(&orders).await.unwrap();
                store.release_overdue(3).await.unwrap();
            }
        })
    });
    for worker in futures_util::future::join_all(workers).await {
        worker.unwrap();
    }
    check(&replicas[0]).await;
    while replicas[0].release_overdue(100).await.unwrap() > 0 {}
    for sale in SALES {
        assert_eq!(remaining(&replicas[0], sale).await, 10, "{sale}: everything came back");
    }
    let orders = replicas[0].orders().await.unwrap();
    assert!(orders.len() > 20, "{} orders: units were sold again", orders.len());
    check(&replicas[0]).await;
}
