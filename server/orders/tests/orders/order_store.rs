//! The order store alone.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use inrush_orders::{
    MovementKind, NewOrder, OrderState, OrderStore, OrderStoreError, Outcome, Payment, Provisioned,
    SaleStock, TicketOwner,
};

use crate::databases::{TestDatabase, check, on_every_database, order, order_id, remaining};

on_every_database!(
    a_repeated_ticket_gets_the_same_order,
    a_ticket_with_an_order_of_another_buyer_or_of_other_units_is_refused,
    a_buyer_has_one_live_order_of_a_sale_with_stock,
    two_replicas_with_two_tickets_of_a_buyer_create_one_order,
    a_batch_gets_orders_in_its_order_as_far_as_stock_goes,
    two_replicas_with_the_same_tickets_create_each_order_once,
    a_ticket_sent_for_two_sales_has_one_order,
    stock_never_goes_below_zero_under_concurrency,
    stock_is_provisioned_once_and_only_raised,
    a_sale_without_stock_is_never_out_of_stock,
    a_reopened_store_has_all_its_data,
    replicas_can_start_at_the_same_time,
    a_failed_transaction_is_rolled_back,
    numbers_above_the_maximum_are_refused,
);

async fn a_repeated_ticket_gets_the_same_order(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(10)).await.unwrap();
    let first = store.create(&[order("shoes", 1, 2)]).await.unwrap();
    let Outcome::Created { order_id, repeated: false } = &first[0] else { panic!("{first:?}") };
    // Also with another number of the delivery: only the ticket decides.
    let delivered_again = NewOrder { attempt: 5, ..order("shoes", 1, 2) };
    let again = store.create(&[delivered_again, order("shoes", 1, 2)]).await.unwrap();
    let repeated = Outcome::Created { order_id: order_id.clone(), repeated: true };
    assert_eq!(again, [repeated.clone(), repeated]);
    assert_eq!(remaining(&store, "shoes").await, 8);
    let orders = store.orders().await.unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].units, orders[0].state, orders[0].seq), (2, OrderState::Paid, 1));
    assert_eq!((&orders[0].order_id, orders[0].buyer_id.as_str()), (order_id, "buyer-1"));
    check(&store).await;
}

async fn a_ticket_with_an_order_of_another_buyer_or_of_other_units_is_refused(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(10)).await.unwrap();
    store.provision("lunch", SaleStock::Unlimited).await.unwrap();
    for sale in ["shoes", "lunch"] {
        let first = store.create(&[order(sale, 1, 2)]).await.unwrap();
        let stranger = NewOrder { buyer_id: "stranger".to_owned(), ..order(sale, 1, 2) };
        let more = order(sale, 1, 3);
        let outcomes = store.create(&[stranger, more, order(sale, 1, 2)]).await.unwrap();
        let taken = Outcome::TicketTaken(TicketOwner { buyer_id: "buyer-1".to_owned(), units: 2 });
        assert_eq!(outcomes[..2], [taken.clone(), taken]);
        assert_eq!(order_id(&outcomes[2]), order_id(&first[0]));
    }
    assert_eq!(store.orders().await.unwrap().len(), 2);
    check(&store).await;
}

async fn a_buyer_has_one_live_order_of_a_sale_with_stock(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(10)).await.unwrap();
    store.provision("lunch", SaleStock::Unlimited).await.unwrap();
    let of_ada = |sale, seq| NewOrder { buyer_id: "ada".to_owned(), ..order(sale, seq, 1) };
    let unpaid = NewOrder { payment: Payment::Awaited(Duration::ZERO), ..of_ada("shoes", 1) };
    let outcomes = store.create(&[unpaid, of_ada("shoes", 2)]).await.unwrap();
    let already = Outcome::AlreadyOrdered { ticket_id: "shoes/1/1".to_owned() };
    assert_eq!(outcomes[1], already);
    assert_eq!(store.create(&[of_ada("shoes", 2)]).await.unwrap(), [already]);
    assert_eq!(remaining(&store, "shoes").await, 9);

    store.release_overdue(10).await.unwrap();
    let outcomes = store.create(&[of_ada("shoes", 2), of_ada("shoes", 3)]).await.unwrap();
    assert!(order_id(&outcomes[0]).is_some(), "the first one is released: {outcomes:?}");
    assert_eq!(outcomes[1], Outcome::AlreadyOrdered { ticket_id: "shoes/1/2".to_owned() });
    let lunches = store.create(&[of_ada("lunch", 1), of_ada("lunch", 2)]).await.unwrap();
    assert_eq!(lunches.iter().filter_map(order_id).count(), 2, "a sale without stock");
    check(&store).await;
}

async fn two_replicas_with_two_tickets_of_a_buyer_create_one_order(database: TestDatabase) {
    let replicas = [database.open().await, database.open().await];
    replicas[0].provision("shoes", SaleStock::Units(100)).await.unwrap();
    for round in 0..10 {
        let of_one_buyer =
            |seq| [NewOrder { buyer_id: format!("buyer of round {round}"), ..order("shoes", seq, 1) }];
        let (first, second) = (of_one_buyer(round * 2 + 1), of_one_buyer(round * 2 + 2));
        let (first, second) = tokio::join!(replicas[0].create(&first), replicas[1].create(&second));
        let outcomes = [first.unwrap(), second.unwrap()].concat();
        assert_eq!(outcomes.iter().filter_map(order_id).count(), 1, "{outcomes:?}");
    }
    assert_eq!(remaining(&replicas[0], "shoes").await, 90);
    check(&replicas[0]).await;
}

async fn a_batch_gets_orders_in_its_order_as_far_as_stock_goes(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(5)).await.unwrap();
    store.provision("hats", SaleStock::Units(1)).await.unwrap();
    let batch = [
        order("shoes", 1, 3),
        order("hats", 1, 1),
        order("shoes", 2, 3),
        order("hats", 2, 1),
        order("shoes", 3, 2),
        order("gloves", 1, 1),
        order("shoes", 4, 1),
    ];
    let outcomes = store.create(&batch).await.unwrap();
    let created: Vec<bool> = outcomes.iter().map(|outcome| order_id(outcome).is_some()).collect();
    assert_eq!(created, [true, true, false, false, true, false, false]);
    assert_eq!(outcomes[2], Outcome::OutOfStock);
    assert_eq!(outcomes[5], Outcome::UnknownSale);
    let tickets: Vec<_> = store.orders().await.unwrap().into_iter().map(|order| order.ticket_id).collect();
    assert_eq!(tickets, ["shoes/1/1", "hats/1/1", "shoes/1/3"], "created in order");
    assert_eq!((remaining(&store, "shoes").await, remaining(&store, "hats").await), (0, 0));
    check(&store).await;
}

async fn two_replicas_with_the_same_tickets_create_each_order_once(database: TestDatabase) {
    const TICKETS: u64 = 120;
    let replicas = [database.open().await, database.open().await];
    replicas[0].provision("shoes", SaleStock::Units(1_000)).await.unwrap();
    let senders = (0..8).map(|sender| {
        let store = replicas[sender % 2].clone();
        tokio::spawn(async move {
            let mut ids = HashMap::new();
            // Each sender starts at another ticket, so that they collide in every way.
            let start = sender as u64 * TICKETS / 8;
            let tickets: Vec<u64> = (0..TICKETS).map(|ticket| (start + ticket) % TICKETS + 1).collect();
            for batch in tickets.chunks(7) {
                let orders: Vec<NewOrder> = batch.iter().map(|seq| order("shoes", *seq, 1)).collect();
                for (order, outcome) in orders.iter().zip(store.create(&orders).await.unwrap()) {
                    ids.insert(order.ticket_id.clone(), order_id(&outcome).unwrap().to_owned());
                }
            }
            ids
        })
    });
    let answers = futures_util::future::join_all(senders).await;
    let first = answers[0].as_ref().unwrap();
    assert_eq!(first.len() as u64, TICKETS);
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap(), first, "every sender gets the same orders");
    }
    assert_eq!(remaining(&replicas[1], "shoes").await, 1_000 - TICKETS);
    assert_eq!(replicas[0].orders().await.unwrap().len() as u64, TICKETS);
    check(&replicas[0]).await;
}

/// The lock on a sale's stock does not help here: the unique key decides.
async fn a_ticket_sent_for_two_sales_has_one_order(database: TestDatabase) {
    let replicas = [database.open().await, database.open().await];
    for sale in ["left", "right"] {
        replicas[0].provision(sale, SaleStock::Units(100)).await.unwrap();
    }
    let orders = |sale: &str, tickets: Vec<u64>| -> Vec<NewOrder> {
        let order = |seq| NewOrder { ticket_id: format!("twice/1/{seq}"), ..order(sale, seq, 1) };
        tickets.into_iter().map(order).collect()
    };
    for round in 0..10 {
        let tickets: Vec<u64> = (round * 8 + 1..=round * 8 + 8).collect();
        let reversed = tickets.iter().rev().copied().collect();
        let (left, right) = (orders("left", tickets), orders("right", reversed));
        let (first, second) = tokio::join!(replicas[0].create(&left), replicas[1].create(&right));
        let ids = |outcomes: &[Outcome]| -> BTreeSet<String> {
            outcomes.iter().map(|outcome| order_id(outcome).unwrap().to_owned()).collect()
        };
        assert_eq!(ids(&first.unwrap()), ids(&second.unwrap()));
    }
    assert_eq!(replicas[0].orders().await.unwrap().len(), 80);
    assert_eq!(remaining(&replicas[0], "left").await + remaining(&replicas[0], "right").await, 120);
    check(&replicas[0]).await;
}

async fn stock_never_goes_below_zero_under_concurrency(database: TestDatabase) {
    const SALES: [&str; 3] = ["hats", "shoes", "gloves"];
    let replicas = [database.open().await, database.open().await];
    for sale in SALES {
        replicas[0].provision(sale, SaleStock::Units(100)).await.unwrap();
    }
    let senders = (0..6).map(|sender| {
        let store = replicas[sender % 2].clone();
        tokio::spawn(async move {
            let mut created: HashMap<String, u64> = HashMap::new();
            for batch in 0..12 {
                // Each sender uses another order of sales: locks taken in that order would deadlock.
                let orders: Vec<NewOrder> = (0..9)
                    .map(|place| {
                        let seq = (sender * 1_000 + batch * 9 + place + 1) as u64;
                        order(SALES[(sender + place) % 3], seq, 1)
                    })
                    .collect();
                for (order, outcome) in orders.iter().zip(store.create(&orders).await.unwrap()) {
                    match outcome {
                        Outcome::Created { repeated: false, .. } => {
                            *created.entry(order.sale.sale_id.clone()).or_default() += 1;
                        }
                        Outcome::OutOfStock => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            created
        })
    });
    let mut created: HashMap<String, u64> = HashMap::new();
    for answer in futures_util::future::join_all(senders).await {
        for (sale, units) in answer.unwrap() {
            *created.entry(sale).or_default() += units;
        }
    }
    for sale in SALES {
        assert_eq!(created[sale], 100, "{sale}: 216 were requested, so every unit is sold and none twice");
        assert_eq!(remaining(&replicas[1], sale).await, 0);
    }
    check(&replicas[1]).await;
}

async fn stock_is_provisioned_once_and_only_raised(database: TestDatabase) {
    let store = database.open().await;
    let provision = async |stock| store.provision("shoes", stock).await.unwrap();
    assert_eq!(provision(SaleStock::Units(5)).await, Provisioned::Added);
    assert_eq!(provision(SaleStock::Units(5)).await, Provisioned::Unchanged);
    store.create(&[order("shoes", 1, 4)]).await.unwrap();
    assert_eq!(provision(SaleStock::Units(7)).await, Provisioned::Restocked { units: 2 });
    assert_eq!(provision(SaleStock::Units(6)).await, Provisioned::Conflict(SaleStock::Units(7)));
    assert_eq!(provision(SaleStock::Unlimited).await, Provisioned::Conflict(SaleStock::Units(7)));
    assert_eq!(remaining(&store, "shoes").await, 3);
    let movements: Vec<_> = store
        .movements()
        .await
        .unwrap()
        .into_iter()
        .map(|movement| (movement.kind, movement.units))
        .collect();
    assert_eq!(
        movements,
        [(MovementKind::Provision, 5), (MovementKind::Order, -4), (MovementKind::Restock, 2)]
    );
    check(&store).await;
}

async fn a_sale_without_stock_is_never_out_of_stock(database: TestDatabase) {
    let store = database.open().await;
    assert_eq!(store.provision("lunch", SaleStock::Unlimited).await.unwrap(), Provisioned::Added);
    assert_eq!(store.provision("lunch", SaleStock::Unlimited).await.unwrap(), Provisioned::Unchanged);
    let orders: Vec<NewOrder> = (1..=50).map(|seq| order("lunch", seq, 1_000_000)).collect();
    let outcomes = store.create(&orders).await.unwrap();
    assert!(outcomes.iter().all(|outcome| order_id(outcome).is_some()), "{outcomes:?}");
    assert!(store.movements().await.unwrap().is_empty(), "there is no stock to move");
    assert_eq!(store.stock().await.unwrap()[0].remaining, SaleStock::Unlimited);

    let unpaid = NewOrder { payment: Payment::Awaited(Duration::ZERO), ..order("lunch", 51, 1) };
    store.create(&[unpaid]).await.unwrap();
    assert_eq!(store.release_overdue(10).await.unwrap(), 1);
    assert!(store.movements().await.unwrap().is_empty());
}

async fn a_reopened_store_has_all_its_data(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(5)).await.unwrap();
    let created = store.create(&[order("shoes", 1, 2)]).await.unwrap();
    let before =
        (store.orders().await.unwrap(), store.movements().await.unwrap(), store.stock().await.unwrap());
    store.close().await;
    assert!(
        matches!(store.orders().await, Err(OrderStoreError::Database(_))),
        "a closed store returns an error"
    );

    let store = database.open().await;
    let after =
        (store.orders().await.unwrap(), store.movements().await.unwrap(), store.stock().await.unwrap());
    assert_eq!(before, after);
    let repeated = store.create(&[order("shoes", 1, 2)]).await.unwrap();
    assert_eq!(order_id(&repeated[0]), order_id(&created[0]));
}

async fn replicas_can_start_at_the_same_time(database: TestDatabase) {
    let replicas = futures_util::future::join_all((0..4).map(|_| OrderStore::open(&database.url))).await;
    for replica in replicas {
        replica.unwrap().provision("shoes", SaleStock::Units(1)).await.unwrap();
    }
    check(&database.open().await).await;
}

/// The transaction is aborted after the orders are inserted, because their stock row is missing.
async fn a_failed_transaction_is_rolled_back(database: TestDatabase) {
    let store = database.open().await;
    store.provision("shoes", SaleStock::Units(5)).await.unwrap();
    let mut other_connection = crate::streams::connect(&database.url).await;
    sqlx::raw_sql("ALTER TABLE stock_movements RENAME TO hidden")
        .execute(&mut other_connection)
        .await
        .unwrap();
    let error = store.create(&[order("shoes", 1, 1)]).await.unwrap_err();
    assert!(matches!(error, OrderStoreError::Database(_)), "{error}");
    sqlx::raw_sql("ALTER TABLE hidden RENAME TO stock_movements")
        .execute(&mut other_connection)
        .await
        .unwrap();
    assert!(store.orders().await.unwrap().is_empty());
    assert_eq!(remaining(&store, "shoes").await, 5);
    check(&store).await;
    let outcomes = store.create(&[order("shoes", 1, 1)]).await.unwrap();
    assert!(order_id(&outcomes[0]).is_some());
    check(&store).await;
}

async fn numbers_above_the_maximum_are_refused(database: TestDatabase) {
    let store = database.open().await;
    let error = store.provision("shoes", SaleStock::Units(u64::MAX)).await.unwrap_err();
    assert!(matches!(error, OrderStoreError::TooLarge { value: u64::MAX, .. }), "{error}");
    store.provision("lunch", SaleStock::Unlimited).await.unwrap();
    let error = store.create(&[order("lunch", u64::MAX, 1)]).await.unwrap_err();
    assert!(matches!(error, OrderStoreError::TooLarge { value: u64::MAX, .. }), "{error}");
    assert!(store.orders().await.unwrap().is_empty());
}
