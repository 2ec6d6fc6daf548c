//! Enqueue.

use std::time::Duration;

use inrush_core::{
    Route, SaleSettings, Timestamp,
    store::Outcome,
    time::{Clock, ManualClock},
};
use inrush_proto::v1::{self, RefusalReason, TicketState, enqueue_response};

use crate::{
    harness::{Front, enqueue_request, settings},
    probe::Probe,
};

#[tokio::test]
async fn enqueue_returns_signed_tickets_in_seq_order() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    for place in 1..=3 {
        let queued = front.queued("phone-x", &format!("buyer {place}")).await;
        let ticket = front.read(&queued.ticket);
        assert_eq!((ticket.sale.as_str(), ticket.seq), ("phone-x", place));
        let status = queued.status.unwrap();
        assert_eq!((status.state(), status.position), (TicketState::Waiting, place));
        assert_eq!(status.ticket_id, ticket.to_string());
        assert!(status.poll_after.is_some() && status.eta.is_none(), "nothing was measured yet");
        assert!(!queued.repeated);
        assert_eq!(queued.durability, i32::from(v1::Durability::Memory));
    }
}

#[tokio::test]
async fn enqueue_is_idempotent_per_buyer() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let first = front.queued("phone-x", "ada").await;
    front.queued("phone-x", "bob").await;
    let again = front.queued("phone-x", "ada").await;
    assert_eq!(again.ticket, first.ticket);
    assert!(again.repeated);
    assert_eq!(again.status.unwrap().position, 1);
}

#[tokio::test]
async fn a_buyer_whose_ticket_is_final_gets_a_new_one() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let first = front.queued("phone-x", "ada").await;
    assert!(front.cancel(&first.ticket).await.unwrap().cancelled);
    let second = front.queued("phone-x", "ada").await;
    assert_eq!((front.read(&second.ticket).seq, second.repeated), (2, false));
}

#[tokio::test]
async fn a_buyer_with_an_order_gets_the_ordered_ticket_again() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let first = front.queued("phone-x", "ada").await;
    let claim = front.claim("phone-x", 1).await;
    front.settle("phone-x", &claim, Outcome::Ordered { order_id: "order 7".to_owned() }).await;
    let again = front.queued("phone-x", "ada").await;
    assert_eq!((again.ticket, again.repeated), (first.ticket, true));
    let status = again.status.unwrap();
    assert_eq!((status.state(), status.order_id.as_str()), (TicketState::Ordered, "order 7"));
    assert_eq!((status.position, status.poll_after, status.eta), (0, None, None));
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_retry_time() {
    let front = Front::start().await;
    let opens_at = Timestamp(Timestamp::now().0 + 3_600_000);
    let open = SaleSettings::of_stock(1);
    front.create("full", open.clone()).await;
    front.queued("full", "ada").await;
    front.create("early", SaleSettings { opens_at: Some(opens_at), ..open.clone() }).await;
    front.create("late", SaleSettings { closes_at: Some(Timestamp(1)), ..open.clone() }).await;
    front.create("held", SaleSettings { admission_held: true, ..open.clone() }).await;
    front.create("limited", SaleSettings { unit_limit: 2, ..SaleSettings::of_stock(100) }).await;
    front.create("bypassed", SaleSettings { route: Route::Bypass, ..open }).await;
    let refused = async |sale, units| match front.enqueue_units(sale, "bob", units).await {
        enqueue_response::Outcome::Refused(refused) => refused,
        other => panic!("{sale}: {other:?}"),
    };

    let full = refused("full", 1).await;
    assert_eq!(full.reason(), RefusalReason::SoldOut);
    assert!(full.retry_after.is_some());
    let early = refused("early", 1).await;
    assert_eq!(early.reason(), RefusalReason::NotOpen);
    assert_eq!(early.open_time.unwrap().seconds, i64::try_from(opens_at.0 / 1000).unwrap());
    assert!((3590..=3600).contains(&early.retry_after.unwrap().seconds));
    let late = refused("late", 1).await;
    assert_eq!((late.reason(), late.retry_after), (RefusalReason::Closed, None));
    let held = refused("held", 1).await;
    assert_eq!(held.reason(), RefusalReason::Held);
    let limited = refused("limited", 3).await;
    assert_eq!((limited.reason(), limited.unit_limit), (RefusalReason::UnitLimit, 2));
    assert!(matches!(front.enqueue("bypassed", "bob").await, enqueue_response::Outcome::Bypass(_)));
}

#[tokio::test]
async fn payload_units_and_trace_reach_the_queue_entry() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings { unit_limit: 5, ..SaleSettings::of_stock(10) }).await;
    let mut request = tonic::Request::new(v1::EnqueueRequest {
        payload: bytes::Bytes::from(vec![7; 4096]),
        ..enqueue_request("phone-x", "Ω buyer", 5)
    });
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    front.queue().enqueue(request).await.unwrap();
    let claim = front.claim("phone-x", 1).await;
    let entry = &claim.entries[0].entry;
    assert_eq!((entry.buyer.as_str(), entry.units), ("Ω buyer", 5));
    assert_eq!(entry.payload, [7; 4096]);
    assert_eq!((entry.trace.len(), entry.trace[2], entry.trace[28]), (29, 0x4b, 1));
}

#[tokio::test]
async fn the_eta_follows_from_the_measured_pace() {
    let clock = ManualClock::starting_at(Timestamp::now());
    let front = Front::with(Probe::with(Clock::Manual(clock.clone())), settings()).await;
    front.create("phone-x", SaleSettings::of_stock(100)).await;
    for buyer in 0..14 {
        front.queued("phone-x", &buyer.to_string()).await;
    }
    // Two claims in a second; those that end the second belong to the next one.
    front.claim("phone-x", 2).await;
    clock.advance(Duration::from_secs(1));
    front.claim("phone-x", 3).await;
    let queued = front.queued("phone-x", "last").await;
    let status = queued.status.unwrap();
    assert_eq!((status.position, status.eta.unwrap().seconds), (10, 5));
    assert_eq!(front.poll(&queued.ticket).await.unwrap().eta.unwrap().seconds, 5);
}
