//! The cost of sales without work.

use std::time::{Duration, Instant};

use inrush_core::{SaleSettings, store::StoreEvent};
use inrush_fulfilment::FulfilmentSettings;

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{Operation, TestStore, eventually},
    worker::{Worker, settings},
};

const SALES: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_sales_cost_only_the_sweep() {
    const SWEEP_RATE: u32 = 100;
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    for number in 0..SALES {
        store.create(&format!("sale-{number}"), &SaleSettings::of_stock(10)).await;
    }
    let quick = FulfilmentSettings { full_sweep_rate: 100_000, sweep_rate: SWEEP_RATE, ..settings(&orders) };
    let worker = Worker::start(quick, &store);
    eventually("the full sweep is over", || store.calls(Operation::Recover) >= SALES).await;

    let (before, start) = (store.all_calls(), Instant::now());
    eventually("the slow sweep goes on", || store.calls(Operation::Recover) >= SALES + 150).await;
    let (calls, elapsed) = (store.all_calls() - before, start.elapsed());
    // A page of ids is one command for a second's worth of probes, and the first page comes immediately.
    let bound = (elapsed.as_secs_f64() + 1.0) * f64::from(SWEEP_RATE + 1) + 20.0;
    assert!((calls as f64) < bound, "{calls} calls in {elapsed:?}");
    assert_eq!(store.calls(Operation::Claim), 0, "idle sales are not claimed from");

    // One of them is woken: only that one is claimed, and immediately.
    store.enqueue("sale-7", 3).await;
    store.ordered("sale-7", 3).await;
    assert!(store.calls(Operation::Claim) <= 6, "{} claims for 3 tickets", store.calls(Operation::Claim));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announcements_known_to_be_lost_start_a_full_sweep() {
    let (store, announcements) = TestStore::new().with_announcements_lost();
    let orders = OrderSystem::start(Reaction::order).await;
    for number in 100..400 {
        store.create(&format!("sale-{number}"), &SaleSettings::of_stock(10)).await;
    }
    // At the slow rate the last sale is reached after five minutes.
    let slow = FulfilmentSettings { sweep_rate: 1, full_sweep_rate: 100_000, ..settings(&orders) };
    let worker = Worker::start(slow, &store);
    eventually("the first sweep is over", || store.calls(Operation::Recover) >= 300).await;
    store.enqueue("sale-399", 10).await;
    announcements.send(StoreEvent::Missed).unwrap();
    store.ordered("sale-399", 10).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slow_sweep_finds_a_sale_whose_announcement_was_lost() {
    let (store, announcements) = TestStore::new().with_announcements_lost();
    let orders = OrderSystem::start(Reaction::order).await;
    for number in 100..150 {
        store.create(&format!("sale-{number}"), &SaleSettings::of_stock(10)).await;
    }
    let worker = Worker::start(FulfilmentSettings { sweep_rate: 100, ..settings(&orders) }, &store);
    eventually("the first sweep is over", || store.calls(Operation::Recover) >= 50).await;
    store.enqueue("sale-149", 10).await;
    store.ordered("sale-149", 10).await;
    worker.stop().await;
    drop(announcements);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_free_permits_does_not_poll() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(|_| Reaction::Ignore).await);
    store.create("phone", &SaleSettings::of_stock(1_000)).await;
    store.enqueue("phone", 1_000).await;
    let full = FulfilmentSettings {
        max_concurrency: 50,
        recover_interval: Duration::from_secs(3_600),
        ..settings(&orders)
    };
    let worker =
        Worker::start(FulfilmentSettings { sweep_rate: 1, drain_timeout: Duration::ZERO, ..full }, &store);
    eventually("all permits are taken", || orders.delivered() == 50).await;
    let (before, start) = (store.all_calls(), Instant::now());
    eventually("a slow pass went by", || start.elapsed() > Duration::from_secs(1)).await;
    let calls = store.all_calls() - before;
    assert!(calls <= 10, "{calls} calls while every permit was in use");
    worker.stop().await;
}
