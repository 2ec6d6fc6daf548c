//! Streams that break, an order system that is down, a store that is away.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_fulfilment::FulfilmentError;
use inrush_proto::v1::OrderRequest;

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{Operation, TestStore, eventually},
    worker::{Worker, settings},
};

/// So long that no lease ends during a test.
const HOUR: Duration = Duration::from_secs(3_600);

fn long_leases(stock: u64) -> SaleSettings {
    SaleSettings { lease: HOUR, ..SaleSettings::of_stock(stock) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broken_stream_left_unanswered_is_sent_again_at_once() {
    let breaks_once = |order: &OrderRequest| match (order.seq, order.attempt) {
        (60, 1) => Reaction::Break,
        (seq, 1) if seq > 40 => Reaction::Forget,
        _ => Reaction::order(order),
    };
    let (store, orders) = (TestStore::new(), OrderSystem::start(breaks_once).await);
    store.create("phone", &long_leases(100)).await;
    store.enqueue("phone", 60).await;
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 60).await;
    let counts = worker.stop().await;
    assert!(counts.requeued >= 20, "{counts:?}");
    assert_eq!((counts.recovered, counts.dead, counts.ordered), (0, 0, 60));
    let again: Vec<u64> =
        orders.deliveries().iter().filter(|order| order.attempt > 1).map(|order| order.seq).collect();
    assert!((41..=60).all(|seq| again.contains(&seq)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_order_system_is_down_nothing_is_claimed() {
    let store = TestStore::new();
    let mut orders = OrderSystem::down(Reaction::order).await;
    store.create("phone", &long_leases(100)).await;
    store.enqueue("phone", 50).await;
    let worker = Worker::start(settings(&orders), &store);
    // The worker knows the sale, and looks at it again and again.
    eventually("the sale is looked at", || store.calls(Operation::Recover) >= 5).await;
    assert_eq!(store.calls(Operation::Claim), 0);
    orders.come_up().await;
    store.ordered("phone", 50).await;
    assert!(orders.deliveries().iter().all(|order| order.attempt == 1), "an attempt was burnt");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_system_that_restarts_loses_nothing() {
    let store = TestStore::new();
    let mut orders = OrderSystem::start(Reaction::keep).await;
    store.create("phone", &long_leases(100)).await;
    store.enqueue("phone", 100).await;
    let worker = Worker::start(settings(&orders), &store);
    eventually("all are delivered", || orders.kept() == 100).await;
    orders.go_down().await;
    eventually("the worker noticed", || worker.counts().streams == 0).await;
    orders.react(Reaction::order);
    orders.come_up().await;
    store.ordered("phone", 100).await;
    let counts = worker.stop().await;
    assert_eq!((counts.requeued, counts.ordered, counts.recovered), (100, 100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_are_kept_while_the_store_is_away() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    store.create("phone", &long_leases(500)).await;
    store.enqueue("phone", 100).await;
    let worker = Worker::start(settings(&orders), &store);
    eventually("all are delivered", || orders.kept() == 100).await;
    store.go_away(Operation::Settle);
    store.go_away(Operation::Claim);
    orders.answer_kept(100);
    store.enqueue("phone", 100).await;
    eventually("settling was tried again", || store.calls(Operation::Settle) >= 3).await;
    eventually("claiming was tried again", || store.calls(Operation::Claim) >= 5).await;
    assert_eq!((worker.counts().ordered, worker.counts().in_flight), (0, 100));
    orders.react(Reaction::order);
    store.come_back();
    store.ordered("phone", 200).await;
    let counts = worker.stop().await;
    assert_eq!((counts.claimed, counts.ordered, counts.stale), (200, 200, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_stays_away_bounds_what_is_claimed() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &long_leases(1_000)).await;
    store.enqueue("phone", 1_000).await;
    store.go_away(Operation::Settle);
    let narrow = inrush_fulfilment::FulfilmentSettings { concurrency: 20, ..settings(&orders) };
    let worker = Worker::start(narrow, &store);
    eventually("nothing more is claimed", || worker.counts().claimed == 40).await;
    let calls = store.calls(Operation::Settle);
    eventually("settling was tried again", || store.calls(Operation::Settle) >= calls + 3).await;
    assert_eq!(worker.counts().claimed, 40);
    store.come_back();
    store.ordered("phone", 1_000).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_that_cannot_be_recorded_at_the_end_are_an_error() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &long_leases(5)).await;
    store.enqueue("phone", 5).await;
    store.go_away(Operation::Settle);
    let mut worker = Worker::start(settings(&orders), &store);
    eventually("all are answered", || worker.counts().in_flight == 5 && orders.delivered() == 5).await;
    worker.shutdown.start("the test wants it");
    let error = worker.end().await.unwrap_err();
    assert!(matches!(error, FulfilmentError::Unrecorded { outcomes: 5 }), "{error}");
}

#[tokio::test]
async fn a_wrong_setting_is_an_error_and_not_a_worker() {
    let orders = OrderSystem::down(Reaction::order).await;
    let wrong = inrush_fulfilment::FulfilmentSettings { concurrency: 0, ..settings(&orders) };
    let error = Worker::start(wrong, &TestStore::new()).end().await.unwrap_err();
    assert!(error.to_string().starts_with("fulfilment.concurrency"), "{error}");
}
