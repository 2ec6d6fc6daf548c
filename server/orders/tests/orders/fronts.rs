//! The order system with a front.

use std::{net::TcpListener, sync::Arc, time::Duration};

use inrush_orders::{Counts, OrderSettings, SaleStock};
use inrush_proto::v1::order_result::Outcome;
use tokio::sync::Semaphore;

use crate::{
    client::{Client, Server, entries, entries_of, eventually, tally},
    databases::{TestDatabase, check, on_every_database, remaining},
    fake_front::FakeFront,
};

on_every_database!(units_of_unpaid_orders_are_returned_here_before_the_queue_is_notified);

fn behind(front: &FakeFront) -> OrderSettings {
    OrderSettings { front: Some(front.url()), ..OrderSettings::default() }
}

#[tokio::test]
async fn an_unknown_sale_is_looked_up_once() {
    let front = FakeFront::start().await;
    front.set_stock("shoes", Some(50));
    front.set_stock("lunch", None);
    let server = Server::start(behind(&front)).await;
    let mut client = Client::connect(server.address).await;
    let mut orders = entries("shoes", 1..=20);
    orders.extend(entries("lunch", 1..=20));
    assert_eq!(tally(&client.exchange(orders).await), (40, 0, 0));
    assert_eq!(tally(&client.exchange(entries("shoes", 21..=40)).await), (20, 0, 0));
    assert_eq!((front.lookups("shoes"), front.lookups("lunch")), (1, 1));
    assert_eq!(remaining(&server.store, "shoes").await, 10);
    let stock = server.store.stock().await.unwrap();
    assert_eq!(stock[0].stock, SaleStock::Unlimited, "lunch");
    let seqs: Vec<u64> = server
        .store
        .orders()
        .await
        .unwrap()
        .iter()
        .filter(|order| order.sale.sale_id == "shoes")
        .map(|order| order.seq)
        .collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>(), "a lookup does not change the order");
    server.stop().await;
}

#[tokio::test]
async fn entries_of_a_sale_that_the_front_does_not_have_now_are_retried() {
    let front = FakeFront::start().await;
    let server = Server::start(behind(&front)).await;
    let mut client = Client::connect(server.address).await;
    let answers = client.exchange(entries("shoes", 1..=3)).await;
    assert_eq!(tally(&answers), (0, 0, 3), "its entries exist, so its store may be empty for a moment");
    front.set_stock("shoes", Some(1));
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=2)).await), (1, 1, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_sold_out_sale_is_restocked_when_its_stock_is_raised() {
    let front = FakeFront::start().await;
    front.set_stock("shoes", Some(5));
    let server = Server::start(behind(&front)).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=8)).await), (5, 3, 0));
    front.set_stock("shoes", Some(9));
    // No entry sent after the raise is rejected while units are left.
    assert_eq!(tally(&client.exchange(entries("shoes", 9..=14)).await), (4, 2, 0));
    assert_eq!(remaining(&server.store, "shoes").await, 0);
    let questions = front.lookups("shoes");
    assert!(questions <= 6, "{questions} questions for 14 entries");
    check(&server.store).await;
    server.stop().await;
}

/// The front's answer can be older than the entry: it was in flight when the operator raised the stock.
#[tokio::test]
async fn no_entry_is_rejected_because_of_a_lookup_older_than_it() {
    let front = FakeFront::start().await;
    front.set_stock("shoes", Some(1));
    let settings = OrderSettings { stock: [("hats".to_owned(), 10)].into(), ..behind(&front) };
    let server = Server::start(settings).await;
    let mut client = Client::connect(server.address).await;
    client.exchange(entries("shoes", 1..=1)).await;

    let gate = Arc::new(Semaphore::new(0));
    front.script.lock().unwrap().gate = Some(Arc::clone(&gate));
    client.send(entries("shoes", 2..=2)).await;
    eventually("the front got a lookup", async || front.lookups("shoes") == 2).await;
    front.set_stock("shoes", Some(2));
    // The answer for the hat shows that the entry before it was received, and waits.
    let mut orders = entries("shoes", 3..=3);
    orders.extend(entries("hats", 1..=1));
    client.send(orders).await;
    assert!(client.answers(1).await.contains_key("hats/1/1"));
    gate.add_permits(10);
    let answers = client.answers(2).await;
    assert!(matches!(answers["shoes/1/2"], Outcome::Rejected(_)), "there was one unit: {answers:?}");
    assert!(matches!(answers["shoes/1/3"], Outcome::Created(_)), "there are two: {answers:?}");
    check(&server.store).await;
    server.stop().await;
}

#[tokio::test]
async fn the_order_store_decides_while_the_front_is_unavailable() {
    let front = FakeFront::start().await;
    front.set_stock("shoes", Some(2));
    let server = Server::start(behind(&front)).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=1)).await), (1, 0, 0));
    front.stop().await;
    let mut orders = entries("shoes", 2..=3);
    orders.extend(entries("hats", 1..=1));
    let answers = client.exchange(orders).await;
    assert!(matches!(answers["shoes/1/2"], Outcome::Created(_)), "{answers:?}");
    assert!(matches!(answers["shoes/1/3"], Outcome::Retry(_)), "it may be restocked: {answers:?}");
    assert!(matches!(answers["hats/1/1"], Outcome::Retry(_)), "its stock is unknown: {answers:?}");
    server.stop().await;
}

#[tokio::test]
async fn calls_of_the_front_carry_the_token_from_the_file() {
    let front = FakeFront::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "abc.def\n").unwrap();
    let server = Server::start(OrderSettings { front_token_file: Some(file), ..behind(&front) }).await;
    let mut client = Client::connect(server.address).await;
    client.exchange(entries("shoes", 1..=1)).await;
    assert_eq!(front.script.lock().unwrap().authorization.as_deref(), Some("Bearer abc.def"));
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_rejected_for_good_while_the_front_cannot_tell_of_a_restock() {
    let front = FakeFront::start().await;
    front.set_stock("shoes", Some(1));
    let address = front.address;
    let server = Server::start(behind(&front)).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=1)).await), (1, 0, 0));
    front.stop().await;
    assert_eq!(tally(&client.exchange(entries("shoes", 2..=3)).await), (0, 0, 2));
    let front = FakeFront::start_at(address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 2..=3)).await), (0, 0, 2), "its store is empty");
    front.set_stock("shoes", Some(3));
    assert_eq!(tally(&client.exchange(entries("shoes", 2..=4)).await), (2, 1, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_release_is_given_up_only_if_the_front_has_another_sale_of_that_name() {
    let front = FakeFront::start().await;
    front.create("shoes", 7, 1);
    front.script.lock().unwrap().not_found = true;
    let settings =
        OrderSettings { unpaid_share: 1.0, payment_timeout: Duration::from_millis(1), ..behind(&front) };
    let server = Server::start(settings).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries_of("shoes", 7, 1..=1)).await), (1, 0, 0));
    // The store is empty, then has the sale without its tickets, and then all of it.
    let asked = async |times: usize| {
        let before = front.releases();
        eventually("the front is asked", async || front.releases() >= before + times).await;
        server.store.pending().await.unwrap()
    };
    front.script.lock().unwrap().sales.clear();
    assert_eq!(asked(2).await, 1);
    front.create("shoes", 7, 1);
    assert_eq!(asked(2).await, 1);
    front.create("shoes", 9, 1);
    eventually("it is given up", async || server.store.pending().await.unwrap() == 0).await;
    assert_eq!(server.statistics.counts().acknowledged, 0, "the front has not recorded it");
    server.stop().await;
}

async fn units_of_unpaid_orders_are_returned_here_before_the_queue_is_notified(database: TestDatabase) {
    const ORDERS: u64 = 30;
    // No front listens there yet.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = OrderSettings {
        database: database.url.clone(),
        front: Some(format!("http://{address}").parse().unwrap()),
        stock: [("shoes".to_owned(), ORDERS)].into(),
        unpaid_share: 1.0,
        payment_timeout: Duration::from_millis(1),
        ..OrderSettings::default()
    };
    let server = Server::start(settings.clone()).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=ORDERS)).await), (30, 0, 0));
    eventually("all is released", async || server.statistics.counts().released == ORDERS).await;
    assert_eq!(server.statistics.counts().acknowledged, 0, "no front has acknowledged");
    assert_eq!(remaining(&server.store, "shoes").await, ORDERS);
    server.stop().await;

    // After a restart it continues, and retries a ticket that the front could not record.
    let front = FakeFront::start_at(address).await;
    let server = Server::start(settings).await;
    {
        let mut script = front.script.lock().unwrap();
        script.store = Some(server.store.clone());
        script.not_ordered.insert("shoes/1/7".to_owned());
    }
    eventually("all releases are acknowledged", async || server.statistics.counts().acknowledged == ORDERS)
        .await;
    let released = std::mem::take(&mut front.script.lock().unwrap().released);
    let mut tickets: Vec<&str> = released.iter().map(|(ticket, _)| ticket.as_str()).collect();
    tickets.sort_unstable();
    tickets.dedup();
    assert_eq!(tickets.len() as u64, ORDERS);
    assert!(
        released.iter().all(|(_, remaining)| *remaining == ORDERS),
        "stock was returned first: {released:?}"
    );
    assert!(server.store.orders().await.unwrap().iter().all(|order| order.release_acknowledged));
    let released = Counts { acknowledged: ORDERS, ..Counts::default() };
    assert_eq!(server.statistics.counts(), released, "nothing was released a second time");
    check(&server.store).await;
    server.stop().await;
}
