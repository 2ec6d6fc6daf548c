//! Broken streams, an order system that is down, an unavailable store.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_fulfilment::FulfilmentError;
use inrush_proto::v1::OrderRequest;

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{Operation, TestStore, eventually},
    worker::{Worker, settings},
};

/// So long that no lease expires during a test.
const HOUR: Duration = Duration::from_secs(3_600);

fn long_leases(stock: u64) -> SaleSettings {
    SaleSettings { lease: HOUR, ..SaleSettings::of_stock(stock) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unanswered_entries_of_a_broken_stream_are_requeued_immediately() {
    let breaks_once = |order: &OrderRequest| match (order.seq, order.attempt) {
        (60, 1) => Reaction::Break,
        (seq, 1) if seq > 40 => Reaction::Ignore,
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
async fn nothing_is_claimed_while_the_order_system_is_down() {
    let store = TestStore::new();
    let mut orders = OrderSystem::down(Reaction::order).await;
    store.create("phone", &long_leases(100)).await;
    store.enqueue("phone", 50).await;
    let worker = Worker::start(settings(&orders), &store);
    // The worker has the sale in its queue and probes it repeatedly.
    eventually("the sale is probed", || store.calls(Operation::Recover) >= 5).await;
    assert_eq!(store.calls(Operation::Claim), 0);
    orders.come_up().await;
    store.ordered("phone", 50).await;
    assert!(orders.deliveries().iter().all(|order| order.attempt == 1), "an attempt was used up");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_order_system_loses_no_entry() {
    let store = TestStore::new();
    let mut orders = OrderSystem::start(Reaction::keep).await;
    store.create("phone", &long_leases(100)).await;
    store.enqueue("phone", 100).await;
    let worker = Worker::start(settings(&orders), &store);
    eventually("all are delivered", || orders.held() == 100).await;
    orders.go_down().await;
    eventually("the worker has detected it", || worker.counts().streams == 0).await;
    orders.react(Reaction::order);
    orders.come_up().await;
    store.ordered("phone", 100).await;
    let counts = worker.stop().await;
    assert_eq!((counts.requeued, counts.ordered, counts.recovered), (100, 100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_are_retried_while_the_store_is_unavailable() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    store.create("phone", &long_leases(500)).await;
    store.enqueue("phone", 100).await;
    let worker = Worker::start(settings(&orders), &store);
    eventually("all are delivered", || orders.held() == 100).await;
    store.make_unavailable(Operation::Settle);
    store.make_unavailable(Operation::Claim);
    orders.answer_held(100);
    store.enqueue("phone", 100).await;
    eventually("settling was retried", || store.calls(Operation::Settle) >= 3).await;
    eventually("claiming was retried", || store.calls(Operation::Claim) >= 5).await;
    assert_eq!((worker.counts().ordered, worker.counts().in_flight), (0, 100));
    orders.react(Reaction::order);
    store.make_available();
    store.ordered("phone", 200).await;
    let counts = worker.stop().await;
    assert_eq!((counts.claimed, counts.ordered, counts.stale), (200, 200, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsettled_outcomes_bound_claims_while_the_store_is_unavailable() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &long_leases(1_000)).await;
    store.enqueue("phone", 1_000).await;
    store.make_unavailable(Operation::Settle);
    let narrow = inrush_fulfilment::FulfilmentSettings { max_concurrency: 20, ..settings(&orders) };
    let worker = Worker::start(narrow, &store);
    eventually("nothing more is claimed", || worker.counts().claimed == 40).await;
    let calls = store.calls(Operation::Settle);
    eventually("settling was retried", || store.calls(Operation::Settle) >= calls + 3).await;
    assert_eq!(worker.counts().claimed, 40);
    store.make_available();
    store.ordered("phone", 1_000).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_not_recorded_before_shutdown_are_an_error() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &long_leases(5)).await;
    store.enqueue("phone", 5).await;
    store.make_unavailable(Operation::Settle);
    let mut worker = Worker::start(settings(&orders), &store);
    eventually("all are answered", || worker.counts().in_flight == 5 && orders.delivered() == 5).await;
    worker.shutdown.start("requested by the test");
    let error = worker.end().await.unwrap_err();
    assert!(matches!(error, FulfilmentError::Unrecorded { outcomes: 5 }), "{error}");
}

#[tokio::test]
async fn an_invalid_setting_is_an_error_and_starts_no_worker() {
    let orders = OrderSystem::down(Reaction::order).await;
    let wrong = inrush_fulfilment::FulfilmentSettings { max_concurrency: 0, ..settings(&orders) };
    let error = Worker::start(wrong, &TestStore::new()).end().await.unwrap_err();
    assert!(error.to_string().starts_with("fulfilment.max_concurrency"), "{error}");
}
