//! WatchStatus.

use inrush_core::{SaleSettings, store::Outcome};
use inrush_front::{FrontSettings, WatchSettings};
use inrush_proto::v1::{self, TicketState, TicketStatus};
use tonic::{Code, Request, Status, Streaming};

use crate::{
    harness::{Front, TEST_TIMEOUT, eventually, reason, settings},
    probe::Probe,
};

async fn watch(front: &Front, ticket: &str) -> Streaming<v1::WatchStatusResponse> {
    let request = v1::WatchStatusRequest { ticket: ticket.to_owned() };
    front.queue().watch_status(request).await.unwrap().into_inner()
}

async fn next(watch: &mut Streaming<v1::WatchStatusResponse>) -> Result<Option<TicketStatus>, Status> {
    let message = tokio::time::timeout(TEST_TIMEOUT, watch.message()).await.expect("the watch sends nothing");
    Ok(message?.map(|response| response.status.unwrap()))
}

#[tokio::test]
async fn watch_status_sends_every_change_until_the_final_state() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let bob = front.queued("phone-x", "bob").await.ticket;
    let mut watch = watch(&front, &bob).await;
    let status = next(&mut watch).await.unwrap().unwrap();
    assert_eq!((status.state(), status.position), (TicketState::Waiting, 2));
    front.cancel(&ada).await.unwrap();
    let status = next(&mut watch).await.unwrap().unwrap();
    assert_eq!((status.state(), status.position), (TicketState::Waiting, 1));
    let claim = front.claim("phone-x", 1).await;
    assert_eq!(next(&mut watch).await.unwrap().unwrap().state(), TicketState::Processing);
    front.settle("phone-x", &claim, Outcome::Ordered { order_id: "order 7".to_owned() }).await;
    let status = next(&mut watch).await.unwrap().unwrap();
    assert_eq!((status.state(), status.order_id.as_str()), (TicketState::Ordered, "order 7"));
    assert_eq!(next(&mut watch).await.unwrap(), None, "the final state ends the watch");
}

#[tokio::test]
async fn watch_status_does_not_repeat_an_unchanged_status() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let mut watch = watch(&front, &ada).await;
    next(&mut watch).await.unwrap().unwrap();
    let before = front.store.runs("look_up");
    let next = tokio::spawn(async move { (watch.message().await, watch) });
    eventually("the watch has looked often", async || front.store.runs("look_up") > before + 5).await;
    front.claim("phone-x", 1).await;
    let (message, _watch) = next.await.unwrap();
    assert_eq!(
        message.unwrap().unwrap().status.unwrap().state(),
        TicketState::Processing,
        "and nothing before"
    );
}

#[tokio::test]
async fn watch_status_of_a_final_ticket_sends_one_message() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    front.cancel(&ada).await.unwrap();
    let mut watch = watch(&front, &ada).await;
    assert_eq!(next(&mut watch).await.unwrap().unwrap().state(), TicketState::Cancelled);
    assert_eq!(next(&mut watch).await.unwrap(), None);
}

#[tokio::test]
async fn watch_status_ends_at_its_deadline() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let mut request = Request::new(v1::WatchStatusRequest { ticket: ada });
    request.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let mut watch = front.queue().watch_status(request).await.unwrap().into_inner();
    next(&mut watch).await.unwrap().unwrap();
    let status = next(&mut watch).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn watch_status_survives_a_short_store_outage_but_not_a_long_one() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let mut watch = watch(&front, &ada).await;
    next(&mut watch).await.unwrap().unwrap();
    front.store.set_unavailable(true);
    let before = front.store.runs("look_up");
    let change = tokio::spawn(async move { (next(&mut watch).await, watch) });
    eventually("it has found the store unavailable", async || front.store.runs("look_up") > before).await;
    front.store.set_unavailable(false);
    front.claim("phone-x", 1).await;
    let (status, mut watch) = change.await.unwrap();
    assert_eq!(status.unwrap().unwrap().state(), TicketState::Processing);
    front.store.set_unavailable(true);
    assert_eq!(reason(&next(&mut watch).await.unwrap_err()), "STORE_UNAVAILABLE");
}

#[tokio::test]
async fn watches_are_limited_and_an_ended_watch_frees_its_permit() {
    let watch_settings = WatchSettings { max_watches: 1, ..settings().watch };
    let front = Front::with(Probe::new(), FrontSettings { watch: watch_settings, ..settings() }).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ada = front.queued("phone-x", "ada").await.ticket;
    let first = watch(&front, &ada).await;
    let again = async || {
        let request = v1::WatchStatusRequest { ticket: ada.clone() };
        front.queue().watch_status(request).await
    };
    let status = again().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "OVERLOADED"));
    drop(first);
    eventually("the first has ended", async || again().await.is_ok()).await;
}

#[tokio::test]
async fn an_open_watch_holds_no_in_flight_permit() {
    let front = Front::with(Probe::new(), FrontSettings { max_in_flight: 1, ..settings() }).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ticket = front.queued("phone-x", "ada").await.ticket;
    let mut first = watch(&front, &ticket).await;
    next(&mut first).await.unwrap().expect("the first status");
    let mut second = watch(&front, &ticket).await;
    next(&mut second).await.unwrap().expect("the first status");
    front.queued("phone-x", "bob").await;
    assert_eq!(front.count("inrush_calls_shed_total"), 0);
}

#[tokio::test]
async fn watch_status_of_an_unknown_ticket_ends_with_the_reason() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let mut ticket = front.read(&front.queued("phone-x", "ada").await.ticket);
    ticket.epoch -= 1;
    let mut watch = watch(&front, &front.sign(&ticket)).await;
    assert_eq!(reason(&next(&mut watch).await.unwrap_err()), "TICKET_UNKNOWN");
}
