//! The shutdown of a worker.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_fulfilment::FulfilmentSettings;

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{TestStore, eventually},
    worker::{Worker, settings},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_the_order_system() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    store.create("phone", &SaleSettings::of_stock(100)).await;
    store.enqueue("phone", 100).await;
    let few = FulfilmentSettings {
        max_concurrency: 10,
        drain_timeout: Duration::from_secs(60),
        ..settings(&orders)
    };
    let mut worker = Worker::start(few, &store);
    eventually("ten are delivered", || orders.held() == 10).await;
    worker.shutdown.start("requested by the test");
    let answering = async {
        orders.answer_held(4);
        store.ordered("phone", 4).await;
        orders.release_kept();
    };
    let (ended, ()) = tokio::join!(worker.end(), answering);
    ended.unwrap();
    let counts = worker.counts();
    assert!(counts.claimed < 100, "released permits were used again");
    assert_eq!((counts.ordered, counts.requeued, counts.in_flight), (counts.claimed, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_requeues_entries_that_are_not_answered_in_time() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(|_| Reaction::Ignore).await);
    let hour = Duration::from_secs(3_600);
    store.create("phone", &SaleSettings { lease: hour, ..SaleSettings::of_stock(100) }).await;
    store.enqueue("phone", 100).await;
    let hasty = FulfilmentSettings { drain_timeout: Duration::ZERO, ..settings(&orders) };
    let worker = Worker::start(hasty.clone(), &store);
    eventually("all are delivered", || orders.delivered() == 100).await;
    let counts = worker.stop().await;
    assert_eq!((counts.requeued, counts.retried, counts.in_flight, counts.streams), (100, 100, 0, 0));
    let ledger = store.snapshot("phone").await.ledger;
    assert_eq!((ledger.waiting.tickets, ledger.in_flight.tickets), (100, 0));

    // The next worker claims them immediately, in order.
    orders.react(Reaction::order);
    let next = Worker::start(hasty, &store);
    store.ordered("phone", 100).await;
    let seqs: Vec<u64> = orders.deliveries().iter().skip(100).map(|order| order.seq).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<u64>>());
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_drains_immediately() {
    let store = TestStore::new();
    let orders = OrderSystem::down(Reaction::order).await;
    let worker = Worker::start(settings(&orders), &store);
    let ended = tokio::time::timeout(Duration::from_secs(5), worker.stop()).await;
    assert!(ended.is_ok(), "the worker did not stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_worker_requeues_its_entries_and_ends_its_tasks() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(|_| Reaction::Ignore).await);
    let hour = Duration::from_secs(3_600);
    store.create("phone", &SaleSettings { lease: hour, ..SaleSettings::of_stock(100) }).await;
    store.enqueue("phone", 100).await;
    let mut worker = Worker::start(settings(&orders), &store);
    eventually("all are delivered", || orders.delivered() == 100).await;
    worker.drop_it().await;
    eventually("all are requeued", || worker.counts().retried == 100).await;
    assert_eq!(store.snapshot("phone").await.ledger.in_flight.tickets, 0);
    eventually("the stream has ended", || worker.counts().streams == 0).await;
}
