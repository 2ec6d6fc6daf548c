//! Leases: extended while the order system works, reclaimed from dead workers, fenced when late.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_fulfilment::FulfilmentSettings;

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{Operation, TestStore, eventually},
    worker::{MortalWorker, Worker, settings},
};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_reclaims_the_leases_of_a_dead_one() {
    let store = TestStore::new();
    let hung = OrderSystem::start(|_| Reaction::Ignore).await;
    let orders = OrderSystem::start(Reaction::order).await;
    let short =
        SaleSettings { lease: Duration::from_millis(500), max_attempts: 100, ..SaleSettings::of_stock(500) };
    store.create("phone", &short).await;
    store.enqueue("phone", 500).await;
    let doomed = MortalWorker::start(FulfilmentSettings { max_concurrency: 50, ..settings(&hung) }, &store);
    // It has extended its leases, so they expire only because it dies.
    eventually("the doomed worker extends its leases", || doomed.counts().extended >= 50).await;
    let other = Worker::start(settings(&orders), &store);
    eventually("the other worker has settled orders", || other.counts().ordered > 0).await;
    doomed.kill();
    store.ordered("phone", 500).await;
    let counts = other.stop().await;
    assert!(counts.recovered > 0);
    assert_eq!((counts.ordered, counts.dead), (500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_extended_until_the_order_system_answers() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    store
        .create("phone", &SaleSettings { lease: Duration::from_secs(1), ..SaleSettings::of_stock(300) })
        .await;
    store.enqueue("phone", 300).await;
    let worker = Worker::start(FulfilmentSettings { lease_extend_ratio: 0.2, ..settings(&orders) }, &store);
    // Each lease was extended several times, so the first would have expired otherwise.
    eventually("leases are extended", || worker.counts().extended >= 300 * 6).await;
    orders.answer_held(usize::MAX);
    store.ordered("phone", 300).await;
    let counts = worker.stop().await;
    assert_eq!((counts.claimed, counts.recovered, counts.leases_lost, counts.stale), (300, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_fence_has_no_effect() {
    let store = TestStore::new();
    let slow = OrderSystem::start(Reaction::keep).await;
    store
        .create("phone", &SaleSettings { lease: Duration::from_millis(100), ..SaleSettings::of_stock(10) })
        .await;
    store.enqueue("phone", 10).await;
    let late = Worker::start(settings(&slow), &store);
    eventually("the late worker holds all", || slow.held() == 10).await;
    // From here on the late worker can neither extend its leases nor claim.
    for operation in [Operation::Extend, Operation::Recover, Operation::Claim] {
        store.make_unavailable(operation);
    }
    let orders = OrderSystem::start(Reaction::order).await;
    let prompt = Worker::start(settings(&orders), &store.seen_by_another());
    store.ordered("phone", 10).await;
    slow.answer_held(10);
    eventually("the late outcomes were sent", || late.counts().stale == 10).await;
    assert_eq!(prompt.stop().await.ordered, 10);
    store.make_available();
    assert_eq!(late.stop().await.ordered, 0);
    assert_eq!(store.snapshot("phone").await.ledger.ordered.tickets, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_releases_its_permit() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(|_| Reaction::Ignore).await);
    store
        .create("phone", &SaleSettings { lease: Duration::from_millis(100), ..SaleSettings::of_stock(4) })
        .await;
    store.enqueue("phone", 4).await;
    let one_at_a_time = FulfilmentSettings { max_concurrency: 4, ..settings(&orders) };
    let worker = Worker::start(one_at_a_time, &store);
    eventually("all are delivered", || orders.delivered() == 4).await;
    store.make_unavailable(Operation::Extend);
    // The worker reclaims its own leases after they have expired …
    eventually("the leases ended", || worker.counts().recovered >= 4).await;
    orders.react(Reaction::order);
    store.make_available();
    // … and its next extension fails, which shows that they are lost.
    store.ordered("phone", 4).await;
    assert_eq!(worker.stop().await.in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_without_an_answer_is_requeued_after_the_answer_timeout() {
    let forgets_once = |order: &inrush_proto::v1::OrderRequest| match order.attempt {
        1 => Reaction::Ignore,
        _ => Reaction::order(order),
    };
    let (store, orders) = (TestStore::new(), OrderSystem::start(forgets_once).await);
    store.create("phone", &SaleSettings { lease: HOUR, ..SaleSettings::of_stock(20) }).await;
    store.enqueue("phone", 20).await;
    let impatient = FulfilmentSettings { response_timeout: Duration::from_millis(100), ..settings(&orders) };
    let worker = Worker::start(impatient, &store);
    store.ordered("phone", 20).await;
    let counts = worker.stop().await;
    assert_eq!((counts.overdue, counts.requeued, counts.claimed), (20, 20, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_share_a_sale_and_deliver_each_entry_once() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings::of_stock(5_000)).await;
    let workers: Vec<Worker> =
        (0..3).map(|_| Worker::start(settings(&orders), &store.seen_by_another())).collect();
    for _ in 0..5 {
        store.enqueue("phone", 1_000).await;
    }
    store.ordered("phone", 5_000).await;
    let mut seqs: Vec<u64> = orders.deliveries().iter().map(|order| order.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=5_000).collect::<Vec<u64>>());
    for worker in workers {
        worker.stop().await;
    }
}
