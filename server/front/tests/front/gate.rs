//! The sold-out gate: refusals without the store, and the cases in which the store must decide.

use std::time::Duration;

use inrush_core::store::prelude::*;
use inrush_core::{Route, SaleSettings, Timestamp};
use inrush_front::FrontSettings;
use inrush_proto::v1::{RefusalReason, enqueue_response::Outcome};

use crate::{
    harness::{Front, enqueue_request, eventually, id, settings},
    probe::Probe,
};

/// The longest lifetime of a decision, so that the counts of these tests do not depend on the speed of the machine.
fn long_lived() -> FrontSettings {
    FrontSettings { gate_lifetime: Duration::from_secs(1), ..settings() }
}

/// A front where `sale` of two units is sold out and its gate refuses.
async fn sold_out() -> Front {
    let front = Front::with(Probe::new(), long_lived()).await;
    front.create("phone-x", SaleSettings { unit_limit: 2, ..SaleSettings::of_stock(2) }).await;
    front.queued("phone-x", "ada").await;
    front.queued("phone-x", "bob").await;
    shut(&front, "phone-x").await;
    front
}

/// Enqueues until a refusal comes from memory.
async fn shut(front: &Front, sale: &str) {
    eventually("the gate shuts", async || {
        let before = front.store.runs("admit");
        front.enqueue(sale, "curious").await;
        front.store.runs("admit") == before
    })
    .await;
}

/// Runs `calls` again until they all fall within one lifetime of the gate, and returns the number of admissions that they needed.
async fn cheapest(front: &Front, calls: impl AsyncFn()) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..5 {
        shut(front, "phone-x").await;
        let before = front.store.all_runs();
        calls().await;
        fewest = fewest.min(front.store.all_runs() - before);
    }
    fewest
}

#[tokio::test]
async fn gate_refusals_do_not_reach_the_store() {
    let front = sold_out().await;
    let cost = cheapest(&front, async || {
        for buyer in 0..50 {
            assert_eq!(front.refused("phone-x", &format!("late {buyer}")).await, RefusalReason::SoldOut);
        }
    });
    assert_eq!(cost.await, 0);
}

#[tokio::test]
async fn the_gate_is_renewed_with_one_batch_per_lifetime() {
    let mut settings = settings();
    settings.gate_lifetime = Duration::from_millis(50);
    let front = Front::with(Probe::new(), settings).await;
    front.create("phone-x", SaleSettings::of_stock(1)).await;
    front.queued("phone-x", "ada").await;
    shut(&front, "phone-x").await;
    let (before, started) = (front.store.runs("admit"), std::time::Instant::now());
    let mut calls = 0_u32;
    while started.elapsed() < Duration::from_millis(500) {
        assert_eq!(front.refused("phone-x", "late").await, RefusalReason::SoldOut);
        calls += 1;
    }
    // On a slow machine too: at most one run for each lifetime that has begun.
    let lives = usize::try_from(started.elapsed().as_millis() / 50).unwrap() + 1;
    let runs = front.store.runs("admit") - before;
    assert!((1..=lives).contains(&runs), "{runs} runs for {calls} calls in {lives} lives");
}

#[tokio::test]
async fn a_queued_buyer_gets_the_ticket_again_through_a_closed_gate() {
    let front = sold_out().await;
    for buyer in ["ada", "bob"] {
        let queued = front.queued("phone-x", buyer).await;
        assert!(queued.repeated, "{buyer}");
    }
}

#[tokio::test]
async fn a_cancel_reopens_the_gate_immediately() {
    let front = sold_out().await;
    let ada = front.queued("phone-x", "ada").await;
    shut(&front, "phone-x").await;
    assert!(front.cancel(&ada.ticket).await.unwrap().cancelled);
    front.queued("phone-x", "carl").await;
    assert_eq!(front.refused("phone-x", "dora").await, RefusalReason::SoldOut);
    assert!(front.queued("phone-x", "carl").await.repeated);
}

#[tokio::test]
async fn an_announced_change_from_another_node_invalidates_the_gate() {
    let front = sold_out().await;
    front.change("phone-x", |settings| settings.stock = Some(3)).await;
    // The announcement is on its way through the same runtime; the lifetime of a decision is far longer than that.
    eventually("carl gets in", async || matches!(front.enqueue("phone-x", "carl").await, Outcome::Queued(_)))
        .await;
}

#[tokio::test]
async fn a_change_with_a_lost_announcement_is_seen_after_the_gate_lifetime() {
    let store = Probe::new();
    store.set_deaf();
    let front = Front::with(store, settings()).await;
    front.create("phone-x", SaleSettings::of_stock(1)).await;
    front.queued("phone-x", "ada").await;
    shut(&front, "phone-x").await;
    front.change("phone-x", |settings| settings.stock = Some(2)).await;
    let changed = std::time::Instant::now();
    loop {
        let elapsed = changed.elapsed();
        if matches!(front.enqueue("phone-x", "carl").await, Outcome::Queued(_)) {
            break;
        }
        assert!(elapsed < Duration::from_millis(100), "refused {elapsed:?} after the change");
    }
}

#[tokio::test]
async fn every_refusal_reason_is_answered_from_memory() {
    let front = Front::with(Probe::new(), long_lived()).await;
    let open = SaleSettings::of_stock(1);
    let far = Timestamp(Timestamp::now().0 + 3_600_000);
    let cases = [
        ("early", SaleSettings { opens_at: Some(far), ..open.clone() }),
        ("late", SaleSettings { closes_at: Some(Timestamp(1)), ..open.clone() }),
        ("held", SaleSettings { admission_held: true, ..open.clone() }),
        ("bypassed", SaleSettings { route: Route::Bypass, ..open }),
    ];
    for (sale, settings) in cases {
        front.create(sale, settings).await;
        shut(&front, sale).await;
    }
}

#[tokio::test]
async fn a_scheduled_sale_admits_buyers_from_its_open_time() {
    let front = Front::with(Probe::new(), long_lived()).await;
    let opens_at = Timestamp(Timestamp::now().0 + 300);
    front.create("phone-x", SaleSettings { opens_at: Some(opens_at), ..SaleSettings::of_stock(9) }).await;
    loop {
        let asked_at = Timestamp::now();
        match front.enqueue("phone-x", "ada").await {
            Outcome::Queued(_) => break,
            Outcome::Refused(refused) => assert_eq!(refused.reason(), RefusalReason::NotOpen),
            Outcome::Bypass(_) => panic!("not bypassed"),
        }
        assert!(asked_at < opens_at, "refused although it had opened");
    }
    assert!(Timestamp::now() >= opens_at, "taken in before it opened");
}

#[tokio::test]
async fn multi_unit_requests_are_refused_from_memory_after_the_store_has_refused_one() {
    let front = sold_out().await;
    let reason = async |units| match front.enqueue_units("phone-x", "greedy", units).await {
        Outcome::Refused(refused) => refused.reason(),
        other => panic!("{other:?}"),
    };
    let cost = cheapest(&front, async || {
        for _ in 0..10 {
            assert_eq!(reason(2).await, RefusalReason::SoldOut);
        }
    });
    assert!(cost.await <= 1);
    assert_eq!(reason(3).await, RefusalReason::UnitLimit, "comes before being sold out");
}

#[tokio::test]
async fn a_recreated_sale_has_no_admitted_buyers() {
    let front = sold_out().await;
    front.store.close(&id("phone-x")).await.unwrap();
    front.store.delete(&id("phone-x")).await.unwrap();
    let old = Timestamp::now();
    eventually("another epoch", async || Timestamp::now() > old).await;
    front.create("phone-x", SaleSettings::of_stock(1)).await;
    eventually("ada gets in anew", async || match front.enqueue("phone-x", "ada").await {
        Outcome::Queued(queued) => !queued.repeated,
        _ => false,
    })
    .await;
    shut(&front, "phone-x").await;
    assert!(front.queued("phone-x", "ada").await.repeated);
    assert_eq!(front.refused("phone-x", "bob").await, RefusalReason::SoldOut);
}

#[tokio::test]
async fn calls_that_waited_for_a_refusing_batch_are_refused_from_memory() {
    let front = sold_out().await;
    let admissions = async || {
        let before = front.store.batches("admit").len();
        let held = front.store.hold_admissions().await;
        let calls: Vec<_> = (0..500)
            .map(|buyer| {
                let mut client = front.queue();
                tokio::spawn(async move {
                    client.enqueue(enqueue_request("phone-x", &format!("late {buyer}"), 1)).await
                })
            })
            .collect();
        eventually("a call reaches the store", async || front.store.batches("admit").len() > before).await;
        front.poll("forged").await.unwrap_err();
        drop(held);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        front.store.batches("admit").len() - before
    };
    // More than one try: after a stall of the machine, the decision has expired and the store is called again.
    let mut fewest = usize::MAX;
    for _ in 0..5 {
        // The gate has expired: the first calls go to the store, and the others wait for their reply.
        front.change("phone-x", |settings| settings.max_attempts += 1).await;
        fewest = fewest.min(admissions().await);
    }
    assert_eq!(fewest, 1, "the first batch answers all");
}
