//! The results of the order system, and how they are settled.

use std::time::Duration;

use inrush_core::store::prelude::*;
use inrush_core::{SaleSettings, TicketRef, TicketStatus};
use inrush_fulfilment::FulfilmentSettings;
use inrush_proto::v1::{CreateOrdersResponse, OrderRequest, OrderResult};

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{TestStore, eventually, id},
    worker::{Worker, settings},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_dead_after_its_last_attempt_and_gets_its_order_after_a_redrive() {
    let busy = |_: &_| Reaction::retry(Duration::from_millis(1));
    let (store, orders) = (TestStore::new(), OrderSystem::start(busy).await);
    store.create("phone", &SaleSettings { max_attempts: 3, ..SaleSettings::of_stock(10) }).await;
    store.enqueue("phone", 2).await;
    let worker = Worker::start(settings(&orders), &store);
    eventually("both tickets are dead", || worker.counts().dead == 2).await;

    for seq in [1, 2] {
        let deliveries = orders.deliveries();
        let attempts: Vec<u32> =
            deliveries.iter().filter(|order| order.seq == seq).map(|order| order.attempt).collect();
        assert_eq!(attempts, [1, 2, 3]);
    }
    let dead = store.dead_letters(&id("phone"), 0, 10).await.unwrap();
    assert_eq!(dead.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), ["busy", "busy"]);

    orders.react(Reaction::order);
    assert_eq!(store.redrive(&id("phone"), &[1, 2]).await.unwrap(), [true, true]);
    store.ordered("phone", 2).await;
    let counts = worker.stop().await;
    assert_eq!((counts.retried, counts.dead, counts.ordered), (4, 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejections_are_final() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(|_| Reaction::reject("fraud")).await);
    store.create("phone", &SaleSettings::of_stock(10)).await;
    store.enqueue("phone", 10).await;
    let worker = Worker::start(settings(&orders), &store);
    eventually("all are rejected", || worker.counts().rejected == 10).await;
    worker.stop().await;
    let ticket = TicketRef { epoch: store.snapshot("phone").await.epoch, seq: 1 };
    let standing = store.look_up(&id("phone"), &[ticket]).await.unwrap().statuses.remove(0);
    assert_eq!(standing, Some(TicketStatus::Rejected { reason: "fraud".into() }));
    assert_eq!(orders.delivered(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_an_outcome_is_a_retry() {
    let first_without = |order: &OrderRequest| match order.attempt {
        1 => Reaction::Answer(None),
        _ => Reaction::order(order),
    };
    let (store, orders) = (TestStore::new(), OrderSystem::start(first_without).await);
    store.create("phone", &SaleSettings::of_stock(10)).await;
    store.enqueue("phone", 10).await;
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 10).await;
    let counts = worker.stop().await;
    assert_eq!((counts.claimed, counts.retried, counts.ordered), (20, 10, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_unknown_tickets_are_counted_and_ignored() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    let nobodys = ["phone/1/1", "", "phone/01/1/x"]
        .map(|ticket_id| OrderResult { ticket_id: ticket_id.into(), ..OrderResult::default() });
    orders.greet_with(CreateOrdersResponse { results: nobodys.into(), credit: 0 });
    store.create("phone", &SaleSettings::of_stock(10)).await;
    store.enqueue("phone", 10).await;
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 10).await;
    let counts = worker.stop().await;
    assert_eq!((counts.unknown, counts.ordered, counts.retried), (3, 10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_to_an_attempt_does_not_settle_the_next_one() {
    let first_is_late = |order: &OrderRequest| match order.attempt {
        1 => Reaction::Ignore,
        _ => Reaction::reject_late_and_order(order),
    };
    let (store, orders) = (TestStore::new(), OrderSystem::start(first_is_late).await);
    store.create("phone", &SaleSettings::of_stock(10)).await;
    store.enqueue("phone", 10).await;
    let impatient = FulfilmentSettings { response_timeout: Duration::from_millis(200), ..settings(&orders) };
    let worker = Worker::start(impatient, &store);
    store.ordered("phone", 10).await;
    let counts = worker.stop().await;
    assert_eq!((counts.ordered, counts.rejected, counts.unknown), (10, 0, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_sale_finishes_claimed_entries_only() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    store.create("phone", &SaleSettings::of_stock(100)).await;
    store.enqueue("phone", 100).await;
    let few = FulfilmentSettings { max_concurrency: 10, ..settings(&orders) };
    let worker = Worker::start(few, &store);
    eventually("ten are delivered", || orders.held() == 10).await;
    store.close(&id("phone")).await.unwrap();
    orders.answer_held(10);
    store.ordered("phone", 10).await;
    assert_eq!(worker.stop().await.claimed, 10);
    let ledger = store.snapshot("phone").await.ledger;
    assert_eq!((ledger.expired.tickets, ledger.waiting.tickets, ledger.in_flight.tickets), (90, 0, 0));
}
