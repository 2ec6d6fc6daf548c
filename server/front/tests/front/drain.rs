//! Draining.

use std::{sync::Arc, time::Duration};

use inrush_core::store::prelude::*;
use inrush_core::{Keyring, SaleSettings, Store};
use inrush_front::{FrontParts, FrontSettings, run};
use inrush_proto::v1::{self, queue_service_client::QueueServiceClient};
use inrush_runtime::{readiness::Readiness, shutdown::Shutdown};
use inrush_telemetry::Metrics;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use crate::{
    harness::{Front, TEST_TIMEOUT, connect, enqueue_request, eventually, id, reason, settings},
    probe::Probe,
};

#[tokio::test]
async fn a_draining_node_serves_through_its_grace_period_and_finishes_its_calls() {
    let mut settings = settings();
    settings.drain.grace = Duration::from_millis(300);
    let front = Front::with(Probe::new(), settings).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let ticket = front.queued("phone-x", "ada").await.ticket;
    let mut watch = front.queue().watch_status(v1::WatchStatusRequest { ticket }).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let mut health = HealthClient::new(front.channel.clone());
    let mut health_watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();

    front.shutdown.start("test");
    eventually("not serving", async || {
        let status = health_watch.message().await.unwrap().unwrap().status();
        status == ServingStatus::NotServing
    })
    .await;
    front.queued("phone-x", "bob").await;

    // A call that is in flight when the grace time ends is finished.
    let held = front.store.hold_admissions().await;
    let before = front.store.runs("admit");
    let mut client = front.queue();
    let last = tokio::spawn(async move { client.enqueue(enqueue_request("phone-x", "carl", 1)).await });
    eventually("its run has begun", async || front.store.runs("admit") > before).await;
    let status = watch.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DRAINING"));
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    drop(held);
    last.await.unwrap().unwrap();
    drop(health_watch);
    tokio::time::timeout(TEST_TIMEOUT, front.served).await.expect("the drain does not end").unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(front.address).await.is_err(), "the listener is still open");
}

#[tokio::test]
async fn drain_cuts_off_calls_that_do_not_finish_in_time() {
    let mut settings = settings();
    settings.drain.timeout = Duration::from_millis(100);
    let front = Front::with(Probe::new(), settings).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let _held = front.store.hold_admissions().await;
    let mut client = front.queue();
    let _stuck = tokio::spawn(async move { client.enqueue(enqueue_request("phone-x", "ada", 1)).await });
    eventually("its run has begun", async || front.store.runs("admit") == 1).await;
    front.shutdown.start("test");
    tokio::time::timeout(TEST_TIMEOUT, front.served).await.expect("the drain does not end").unwrap().unwrap();
}

#[tokio::test]
async fn cores_share_a_port_and_drain_together() {
    let store = Probe::new();
    let settings = FrontSettings { cores: 3, listen: "127.0.0.1:0".to_owned(), ..settings() };
    let listeners = settings.bind("the test").unwrap();
    assert_eq!(listeners.len(), 3);
    let address = listeners[0].local_addr().unwrap();
    let parts = FrontParts {
        settings,
        store: Arc::clone(&store) as Arc<dyn Store>,
        keyring: Keyring::ephemeral().unwrap(),
        readiness: Readiness::new(),
        metrics: Metrics::default(),
        traces: None,
    };
    let shutdown = Shutdown::new();
    let until = shutdown.clone();
    let served = tokio::spawn(async move { run(parts, listeners, &until).await });
    store
        .configure(&id("phone-x"), &SaleSettings::of_stock(10), inrush_core::store::Precondition::Absent)
        .await
        .unwrap();
    // Several connections, so that several cores take part; each accepts the tickets of the others.
    let mut tickets = Vec::new();
    for buyer in 0..10 {
        let mut client = QueueServiceClient::new(connect(address).await);
        let answer =
            client.enqueue(enqueue_request("phone-x", &buyer.to_string(), 1)).await.unwrap().into_inner();
        let Some(v1::enqueue_response::Outcome::Queued(queued)) = answer.outcome else {
            panic!("{answer:?}")
        };
        tickets.push(queued.ticket);
    }
    let mut client = QueueServiceClient::new(connect(address).await);
    for (place, ticket) in (1..).zip(tickets) {
        let answer = client.poll_status(v1::PollStatusRequest { ticket }).await.unwrap().into_inner();
        assert_eq!(answer.status.unwrap().position, place);
    }
    shutdown.start("test");
    tokio::time::timeout(TEST_TIMEOUT, served).await.expect("the drain does not end").unwrap().unwrap();
}
