//! Sales that are deleted and created again under their name.

use inrush_orders::{NewOrder, OrderSettings, OrderStore, Outcome, Provisioned, SaleStock};
use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::{
    client::{Client, Server, entries, entries_of, tally},
    databases::{TestDatabase, check, creation, on_every_database, order, order_id, remaining_of_creations},
    fake_front::FakeFront,
    streams::connect,
};

on_every_database!(
    each_creation_of_a_sale_sells_its_own_stock,
    stock_of_no_creation_becomes_that_of_the_first_that_is_known,
    an_order_without_a_creation_takes_the_stock_of_the_latest,
    creations_are_provisioned_by_two_replicas_at_the_same_time,
    an_upgraded_database_goes_on_selling_what_is_left,
);

/// An order of one unit for this creation.
fn order_of(created_at: u64, seq: u64) -> NewOrder {
    NewOrder {
        ticket_id: format!("shoes/{created_at}/{seq}"),
        sale: creation("shoes", created_at),
        ..order("shoes", seq, 1)
    }
}

async fn orders_created(store: &OrderStore, orders: &[NewOrder]) -> usize {
    let outcomes = store.create(orders).await.unwrap();
    outcomes.iter().filter_map(order_id).count()
}

async fn each_creation_of_a_sale_sells_its_own_stock(database: TestDatabase) {
    let store = database.open().await;
    assert_eq!(store.create(&[order_of(7, 1)]).await.unwrap(), [Outcome::UnknownSale]);
    for (created_at, units) in [(7, 2), (9, 3)] {
        let added = store.provision(creation("shoes", created_at), SaleStock::Units(units)).await.unwrap();
        assert_eq!(added, Provisioned::Added);
        let orders: Vec<NewOrder> = (1..=5).map(|seq| order_of(created_at, seq)).collect();
        assert_eq!(orders_created(&store, &orders).await as u64, units);
        check(&store).await;
    }
    assert_eq!(
        store.provision(creation("shoes", 9), SaleStock::Units(4)).await.unwrap(),
        Provisioned::Restocked { units: 1 }
    );
    assert_eq!(orders_created(&store, &[order_of(7, 8), order_of(9, 8), order_of(8, 8)]).await, 1);
    assert_eq!(remaining_of_creations(&store, "shoes").await, [(7, 0), (9, 0)]);
    check(&store).await;
}

async fn stock_of_no_creation_becomes_that_of_the_first_that_is_known(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(3)).await.unwrap();
    assert_eq!(orders_created(&store, &[order("shoes", 1, 1)]).await, 1);
    // A fulfilment that sends the creation time takes over in the middle of the sale.
    let orders = [order_of(7, 2), order_of(7, 3), order_of(7, 4)];
    assert_eq!(orders_created(&store, &orders).await, 2);
    assert_eq!(remaining_of_creations(&store, "shoes").await, [(7, 0)]);
    check(&store).await;

    store.provision("hats", SaleStock::Units(3)).await.unwrap();
    let provisioned = store.provision(creation("hats", 7), SaleStock::Units(5)).await.unwrap();
    assert_eq!(provisioned, Provisioned::Restocked { units: 2 });
    let again = store.provision("hats", SaleStock::Units(3)).await.unwrap();
    assert_eq!(again, Provisioned::Conflict(SaleStock::Units(5)), "without a creation, the latest");
    assert_eq!(remaining_of_creations(&store, "hats").await, [(7, 5)]);
    check(&store).await;
}

async fn an_order_without_a_creation_takes_the_stock_of_the_latest(database: TestDatabase) {
    let store = database.open().await;
    for created_at in [9, 7] {
        store.provision(creation("shoes", created_at), SaleStock::Units(1)).await.unwrap();
    }
    let outcomes = store.create(&[order("shoes", 1, 1), order("shoes", 2, 1), order_of(7, 1)]).await.unwrap();
    assert_eq!(outcomes[1], Outcome::OutOfStock);
    assert!(order_id(&outcomes[0]).is_some() && order_id(&outcomes[2]).is_some(), "{outcomes:?}");
    let orders = store.orders().await.unwrap();
    assert_eq!(orders.iter().map(|order| order.sale.created_at).collect::<Vec<_>>(), [9, 7]);
    check(&store).await;
}

async fn creations_are_provisioned_by_two_replicas_at_the_same_time(database: TestDatabase) {
    let replicas = [database.open().await, database.open().await];
    for created_at in 1..=10 {
        let sale = creation("shoes", created_at);
        let (first, second) = tokio::join!(
            replicas[0].provision(sale.clone(), SaleStock::Units(1)),
            replicas[1].provision(sale, SaleStock::Units(1))
        );
        let mut results = [first.unwrap(), second.unwrap()];
        results.sort_by_key(|result| *result == Provisioned::Unchanged);
        assert_eq!(results, [Provisioned::Added, Provisioned::Unchanged]);
    }
    check(&replicas[0]).await;
}

/// The schema as it was before sales had creations, in the middle of a sale.
async fn an_upgraded_database_goes_on_selling_what_is_left(database: TestDatabase) {
    const CREATED_AT: u64 = 1_700_000_000_000;
    let is_sqlite = database.url.to_string().starts_with("sqlite:");
    let sql = if is_sqlite {
        include_str!("../../migrations/sqlite/0001_orders.sql")
    } else {
        include_str!("../../migrations/postgres/0001_orders.sql")
    };
    let first = Migration::new(1, "orders".into(), MigrationType::Simple, sql.into_sql_str(), false);
    if let Some(path) = database.url.to_string().strip_prefix("sqlite:") {
        std::fs::File::create(path).unwrap();
    }
    let mut connection = connect(&database.url).await;
    Migrator::with_migrations(vec![first]).run(&mut connection).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO activity_stock (sale_id, stock, remaining)
             VALUES ('shoes', 7, 2), ('hats', 4, 4), ('lunch', NULL, NULL);
         INSERT INTO orders (ticket_id, order_id, sale_id, seq, buyer_id, units, attempt, state, created_at)
             VALUES ('shoes/1600000000000/1', 'a', 'shoes', 1, 'buyer-1', 1, 1, 'paid', 1),
                    ('shoes/1700000000000/1', 'b', 'shoes', 1, 'buyer-1', 1, 1, 'paid', 1),
                    ('shoes/1700000000000/8', 'd', 'shoes', 8, 'buyer-1', 1, 1, 'paid', 1),
                    ('shoes/1600000000000/2', 'e', 'shoes', 2, 'buyer-2', 2, 1, 'paid', 1),
                    ('a ticket of another form', 'c', 'lunch', 1, 'buyer-1', 9, 1, 'paid', 1);
         INSERT INTO stock_movements (sale_id, kind, units, ticket_id, moved_at)
             VALUES ('shoes', 'provision', 7, NULL, 1), ('hats', 'provision', 4, NULL, 1),
                    ('shoes', 'order', -1, 'shoes/1600000000000/1', 1),
                    ('shoes', 'order', -1, 'shoes/1700000000000/1', 1),
                    ('shoes', 'order', -1, 'shoes/1700000000000/8', 1),
                    ('shoes', 'order', -2, 'shoes/1600000000000/2', 1);",
    )
    .execute(&mut connection)
    .await
    .unwrap();

    let store = database.open().await;
    check(&store).await;
    let listed = store.orders_of(&creation("shoes", CREATED_AT), 0, 0, 9).await.unwrap();
    let listed: Vec<&str> = listed.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(listed, ["a", "b", "d", "e"], "migration 2 gave it the orders of earlier creations as well");
    assert_eq!(remaining_of_creations(&store, "shoes").await, [(CREATED_AT, 2)]);
    assert_eq!(remaining_of_creations(&store, "hats").await, [(0, 4)], "nothing shows its creation");
    let repeated = store.create(&[order_of(CREATED_AT, 1)]).await.unwrap();
    assert_eq!(order_id(&repeated[0]), Some("b"), "{repeated:?}");
    let orders = [order_of(CREATED_AT, 2), order_of(CREATED_AT, 3), order_of(CREATED_AT, 4)];
    assert_eq!(orders_created(&store, &orders).await, 2, "buyer-2 has an order of an earlier creation only");
    let second = NewOrder { buyer_id: "buyer-1".to_owned(), ..order_of(CREATED_AT, 9) };
    let second = store.create(&[second]).await.unwrap();
    assert!(matches!(second[0], Outcome::AlreadyOrdered { .. }), "{second:?}");
    let hats = NewOrder { sale: creation("hats", CREATED_AT), ..order("hats", 1, 4) };
    let lunch = NewOrder { sale: creation("lunch", CREATED_AT), ..order("lunch", 2, 9) };
    assert_eq!(orders_created(&store, &[hats, lunch]).await, 2);
    assert_eq!(remaining_of_creations(&store, "hats").await, [(CREATED_AT, 0)]);
    check(&store).await;
}

#[tokio::test]
async fn a_sale_that_the_front_has_anew_sells_its_whole_stock() {
    let front = FakeFront::start().await;
    let settings = OrderSettings { front: Some(front.url()), ..OrderSettings::default() };
    let server = Server::start(settings).await;
    let mut client = Client::connect(server.address).await;
    front.create("shoes", 7, 2);
    assert_eq!(tally(&client.exchange(entries_of("shoes", 7, 1..=2)).await), (2, 0, 0));
    front.create("shoes", 9, 3);
    assert_eq!(tally(&client.exchange(entries_of("shoes", 9, 1..=4)).await), (3, 1, 0));
    let late = client.exchange(entries_of("shoes", 8, 1..=1)).await;
    assert_eq!(tally(&late), (0, 1, 0), "the front has another creation of the sale");
    assert_eq!(remaining_of_creations(&server.store, "shoes").await, [(7_000, 0), (9_000, 0)]);
    check(&server.store).await;
    server.stop().await;
}

#[tokio::test]
async fn each_creation_of_a_sale_in_the_settings_has_their_units() {
    let settings = OrderSettings { stock: [("shoes".to_owned(), 2)].into(), ..OrderSettings::default() };
    let server = Server::start(settings).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=1)).await), (1, 0, 0));
    for (created_at, left) in [(7, 1), (9, 2)] {
        let answers = client.exchange(entries_of("shoes", created_at, 2..=4)).await;
        assert_eq!(tally(&answers), (left, 3 - left, 0));
    }
    check(&server.store).await;
    server.stop().await;
}
