//! The path of entries without failures: order, fairness, pace, holds, stock, credit.

use std::time::Duration;

use inrush_core::store::prelude::*;
use inrush_core::{
    Pace, SaleSettings, SaleSnapshot, TicketRef, Timestamp,
    store::ReleaseResult,
    time::{Clock, ManualClock},
};
use inrush_fulfilment::FulfilmentSettings;
use inrush_proto::v1::{CreateOrdersResponse, OrderRequest};

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{Operation, TestStore, eventually, id},
    worker::{Worker, settings},
};

fn of_sale(deliveries: &[OrderRequest], sale: &str) -> usize {
    deliveries.iter().filter(|order| order.sale_id == sale).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_delivered_once_in_queue_order_with_all_fields() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings::of_stock(5_000)).await;
    store.enqueue("phone", 2_000).await;
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 2_000).await;
    store.enqueue("phone", 1_000).await;
    store.ordered("phone", 3_000).await;

    let deliveries = orders.deliveries();
    let seqs: Vec<u64> = deliveries.iter().map(|order| order.seq).collect();
    assert_eq!(seqs, (1..=3_000).collect::<Vec<u64>>());
    let SaleSnapshot { epoch, created_at, .. } = store.snapshot("phone").await;
    let seconds = i64::try_from(created_at.0 / 1_000).unwrap();
    let nanos = i32::try_from(created_at.0 % 1_000 * 1_000_000).unwrap();
    let expected = OrderRequest {
        ticket_id: format!("phone/{epoch}/7"),
        sale_id: "phone".into(),
        seq: 7,
        buyer_id: "buyer-7".into(),
        units: 1,
        payload: vec![1, 2, 3].into(),
        attempt: 1,
        trace_context: vec![9].into(),
        sale_create_time: Some(prost_types::Timestamp { seconds, nanos }),
    };
    assert_eq!(deliveries[6], expected);

    let counts = worker.stop().await;
    assert_eq!((counts.claimed, counts.sent, counts.ordered, counts.in_flight), (3_000, 3_000, 3_000, 0));
    assert_eq!((counts.retried, counts.stale, counts.requeued, counts.unknown), (0, 0, 0, 0));
    assert!(store.calls(Operation::Settle) < 3_000, "settlements form batches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_with_a_hundred_times_the_backlog_gets_no_more_than_its_share() {
    const CONCURRENCY: usize = 16;
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    for (sale, buyers) in [("crowded", 20_000), ("quiet", 200)] {
        store.create(sale, &SaleSettings::of_stock(buyers)).await;
        store.enqueue(sale, buyers).await;
    }
    let settings = FulfilmentSettings { max_concurrency: CONCURRENCY, ..settings(&orders) };
    let worker = Worker::start(settings, &store);
    // Nothing is answered before both sales are probed and all permits are in use.
    eventually("both sales were probed", || {
        orders.held() == CONCURRENCY && store.calls(Operation::Recover) >= 2
    })
    .await;
    while of_sale(&orders.deliveries(), "quiet") < 200 {
        orders.answer_held(4);
        tokio::task::yield_now().await;
    }
    let deliveries = orders.deliveries();
    let last_quiet = deliveries.iter().rposition(|order| order.sale_id == "quiet").unwrap();
    let crowded = of_sale(&deliveries[..last_quiet], "crowded");
    assert!(
        crowded.abs_diff(200) <= 2 * CONCURRENCY,
        "{crowded} of the crowded sale by the time of 200 of the quiet"
    );
    orders.release_kept();
    store.ordered("quiet", 200).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_sales_do_not_delay_others() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    let paced = Pace { millitickets_per_second: 1, burst: 1 };
    store.create("paced", &SaleSettings { pace: Some(paced), ..SaleSettings::of_stock(100) }).await;
    store.enqueue("paced", 100).await;
    // The first ticket is for more units than the stock has left.
    let standby = SaleSettings { cap: Some(50), unit_limit: 10, ..SaleSettings::of_stock(10) };
    store.create("blocked", &standby).await;
    store.enqueue_units("blocked", &[4, 10, 1, 1]).await;
    store.create("held", &SaleSettings { fulfilment_held: true, ..SaleSettings::of_stock(100) }).await;
    store.enqueue("held", 100).await;
    store.create("free", &SaleSettings::of_stock(500)).await;
    store.enqueue("free", 500).await;

    let worker = Worker::start(FulfilmentSettings { max_concurrency: 2, ..settings(&orders) }, &store);
    store.ordered("free", 500).await;
    store.ordered("paced", 1).await;
    store.ordered("blocked", 1).await;
    assert_eq!(of_sale(&orders.deliveries(), "held"), 0);
    worker.stop().await;
    assert_eq!(store.snapshot("blocked").await.ledger.waiting.tickets, 3, "no ticket overtakes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_order_frees_units_for_the_next_ticket() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(|_| Reaction::keep_rejection("no")).await);
    let standby = SaleSettings { cap: Some(4), unit_limit: 2, ..SaleSettings::of_stock(2) };
    store.create("phone", &standby).await;
    store.enqueue_units("phone", &[2, 2]).await;
    // No probes but the first: the settled outcome wakes the sale.
    let patient = FulfilmentSettings { recover_interval: Duration::from_secs(3_600), ..settings(&orders) };
    let worker = Worker::start(patient, &store);
    eventually("the first is delivered", || orders.held() == 1).await;
    orders.answer_held(1);
    eventually("the second is delivered", || orders.held() == 1).await;
    orders.answer_held(1);
    worker.stop().await;
    assert_eq!(store.snapshot("phone").await.ledger.rejected.units, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_follow_the_pace_of_the_sale() {
    let clock = ManualClock::starting_at(Timestamp(1_000_000));
    let store = TestStore::with_clock(Clock::Manual(clock.clone()));
    let orders = OrderSystem::start(Reaction::order).await;
    let pace = Pace { millitickets_per_second: 10_000, burst: 5 };
    store.create("phone", &SaleSettings { pace: Some(pace), ..SaleSettings::of_stock(100) }).await;
    store.enqueue("phone", 100).await;
    // A probe would return the same wait as long as the clock does not move.
    let without_looks =
        FulfilmentSettings { recover_interval: Duration::from_secs(3_600), ..settings(&orders) };
    let worker = Worker::start(without_looks, &store);
    let mut expected = 0;
    for (milliseconds, tokens) in [(0, 5), (1_000, 5), (200, 2), (99, 0), (1, 1)] {
        clock.advance(Duration::from_millis(milliseconds));
        expected += tokens;
        store.ordered("phone", expected).await;
        // The clock does not move, so further claims must be empty.
        let claims = store.calls(Operation::Claim);
        eventually("more claims were tried", || store.calls(Operation::Claim) >= claims + 2).await;
        assert_eq!(orders.delivered() as u64, expected);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_sale_is_not_claimed_until_resumed() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings { fulfilment_held: true, ..SaleSettings::of_stock(100) }).await;
    store.create("other", &SaleSettings::of_stock(100)).await;
    let worker = Worker::start(settings(&orders), &store);
    store.enqueue("phone", 50).await;
    store.enqueue("other", 50).await;
    store.ordered("other", 50).await;
    assert_eq!(of_sale(&orders.deliveries(), "phone"), 0);
    store.change("phone", |settings| settings.fulfilment_held = false).await;
    store.ordered("phone", 50).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_units_go_to_standby_tickets() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings { cap: Some(3), ..SaleSettings::of_stock(1) }).await;
    store.enqueue("phone", 3).await;
    let epoch = store.snapshot("phone").await.epoch;
    let worker = Worker::start(settings(&orders), &store);
    for seq in 1..=3 {
        store.ordered("phone", 1).await;
        assert_eq!(orders.deliveries().last().unwrap().seq, seq);
        if seq < 3 {
            assert_eq!(
                store.release(&id("phone"), &[TicketRef { epoch, seq }]).await.unwrap(),
                [ReleaseResult::Released]
            );
            eventually("the next one is delivered", || orders.delivered() as u64 > seq).await;
        }
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credit_of_the_order_system_bounds_unanswered_entries() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::keep).await);
    orders.greet_with(CreateOrdersResponse { results: Vec::new(), credit: 3 });
    store.create("phone", &SaleSettings::of_stock(100)).await;
    store.enqueue("phone", 100).await;
    let worker = Worker::start(settings(&orders), &store);
    let mut most = 0;
    while store.snapshot("phone").await.ledger.ordered.tickets < 100 {
        eventually("something is delivered", || orders.held() > 0 || orders.delivered() == 100).await;
        most = most.max(orders.held());
        orders.answer_held(1);
        tokio::task::yield_now().await;
    }
    assert!(most <= 3, "{most} were unanswered");
    assert_eq!(worker.stop().await.claimed, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_to_several_order_systems_share_the_entries() {
    let store = TestStore::new();
    let (one, two) = (OrderSystem::start(Reaction::keep).await, OrderSystem::start(Reaction::keep).await);
    store.create("phone", &SaleSettings::of_stock(1_000)).await;
    let shared = FulfilmentSettings {
        orders: vec![one.url(), two.url()],
        streams: 2,
        max_concurrency: 200,
        ..settings(&one)
    };
    let worker = Worker::start(shared, &store);
    eventually("all streams are up", || worker.counts().streams == 4).await;
    store.enqueue("phone", 1_000).await;
    eventually("all permits are taken", || one.held() + two.held() == 200).await;
    // The stream that is up first gets the rest, but every stream gets some.
    assert!(one.held().min(two.held()) >= 50, "{} and {}", one.held(), two.held());
    for orders in [&one, &two] {
        orders.release_kept();
    }
    store.ordered("phone", 1_000).await;
    assert_eq!(worker.stop().await.claimed, 1_000);
}
