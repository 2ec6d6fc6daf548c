//! Deadlines, load shedding and size limits.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_front::{FrontError, FrontSettings};
use inrush_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    harness::{Front, enqueue_head, enqueue_request, eventually, message, reason, settings},
    probe::Probe,
};

/// Enqueues over a connection of its own, with a `grpc-timeout` that only the node enforces: tonic's client would enforce it
/// itself. Returns the code and the headers of the response.
async fn enqueue_within(front: &Front, timeout: &str, request: v1::EnqueueRequest) -> Option<Code> {
    let stream = tokio::net::TcpStream::connect(front.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut head = enqueue_head(front.address);
    head.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
    let (answer, mut body) = sender.send_request(head, false).unwrap();
    body.send_data(message(&request).into(), true).unwrap();
    let answer = answer.await.unwrap();
    connection.abort();
    Status::from_header_map(answer.headers()).map(|status| status.code())
}

#[tokio::test]
async fn an_expired_deadline_does_not_reach_the_store() {
    let front = Front::start().await;
    let code = enqueue_within(&front, "0n", enqueue_request("phone-x", "ada", 1)).await;
    assert_eq!(code, Some(Code::DeadlineExceeded));
    assert_eq!(front.store.all_runs(), 0);
}

#[tokio::test]
async fn a_call_past_its_deadline_fails_and_is_not_admitted_later() {
    let settings = FrontSettings { default_deadline: Duration::from_millis(50), ..settings() };
    let front = Front::with(Probe::new(), settings).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let held = front.store.hold_admissions().await;
    let (ada, rest) =
        tokio::join!(enqueue_within(&front, "1H", enqueue_request("phone-x", "ada", 1)), async {
            eventually("the first run has begun", async || front.store.runs("admit") == 1).await;
            let bob = enqueue_within(&front, "20m", enqueue_request("phone-x", "bob", 1)).await;
            let carl = front.queue().enqueue(enqueue_request("phone-x", "carl", 1)).await.unwrap_err();
            drop(held);
            (bob, carl)
        });
    let (bob, carl) = rest;
    assert_eq!(ada, None, "queued: the status comes in the trailers");
    assert_eq!(bob, Some(Code::DeadlineExceeded), "by its own deadline");
    assert_eq!(reason(&carl), "DEADLINE_EXCEEDED", "by the node's");
    assert_eq!(
        front.read(&front.queued("phone-x", "dora").await.ticket).seq,
        2,
        "bob and carl are not queued"
    );
}

#[tokio::test]
async fn calls_beyond_the_in_flight_limit_are_shed_with_retry_info() {
    let front = Front::with(Probe::new(), FrontSettings { max_in_flight: 1, ..settings() }).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let held = front.store.hold_admissions().await;
    let mut client = front.queue();
    let first = tokio::spawn(async move { client.enqueue(enqueue_request("phone-x", "ada", 1)).await });
    eventually("the first run has begun", async || front.store.runs("admit") == 1).await;
    let status = front.queue().enqueue(enqueue_request("phone-x", "bob", 1)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "OVERLOADED"));
    assert!(status.get_details_retry_info().unwrap().retry_delay.unwrap() >= Duration::from_millis(500));
    assert_eq!(front.count("inrush_calls_shed_total"), 1);
    let mut health = tonic_health::pb::health_client::HealthClient::new(front.channel.clone());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.expect("a busy node is alive");
    drop(held);
    first.await.unwrap().unwrap();
    front.queued("phone-x", "bob").await;
}

#[tokio::test]
async fn a_call_that_waits_too_long_for_its_batch_is_shed() {
    let max_queue_wait = Duration::from_millis(20);
    let front = Front::with(Probe::new(), FrontSettings { max_queue_wait, ..settings() }).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let held = front.store.hold_admissions().await;
    let mut client = front.queue();
    let first = tokio::spawn(async move { client.enqueue(enqueue_request("phone-x", "ada", 1)).await });
    eventually("the first run has begun", async || front.store.runs("admit") == 1).await;
    let mut client = front.queue();
    let second = tokio::spawn(async move { client.enqueue(enqueue_request("phone-x", "bob", 1)).await });
    // Calls of a connection are in order: once a later call is answered, bob waits for a turn.
    front.poll("forged").await.unwrap_err();
    tokio::time::sleep(2 * max_queue_wait).await;
    drop(held);
    first.await.unwrap().expect("a run that has begun is finished");
    let status = second.await.unwrap().unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "OVERLOADED"));
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    assert_eq!(front.count("inrush_calls_shed_total"), 1);
    assert_eq!(
        front.read(&front.queued("phone-x", "bob").await.ticket).seq,
        2,
        "queued by the second call only"
    );
}

#[tokio::test]
async fn a_disconnected_client_is_counted_as_cancelled_and_not_admitted() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let held = front.store.hold_admissions().await;
    let mut client = front.queue();
    let stays = tokio::spawn(async move { client.enqueue(enqueue_request("phone-x", "ada", 1)).await });
    eventually("the first run has begun", async || front.store.runs("admit") == 1).await;
    // A call that is cancelled before it has reached the node cannot be counted there: then another one is made.
    eventually("a cancelled call is counted", async || {
        let mut client = front.queue();
        let impatient = client.enqueue(enqueue_request("phone-x", "bob", 1));
        assert!(tokio::time::timeout(Duration::from_millis(10), impatient).await.is_err());
        front.count("inrush_calls_cancelled_total") > 0
    })
    .await;
    // Calls of a connection are in order: once a later call is answered, the last cancellation has been seen.
    front.poll("forged").await.unwrap_err();
    drop(held);
    stays.await.unwrap().unwrap();
    assert_eq!(
        front.read(&front.queued("phone-x", "carl").await.ticket).seq,
        2,
        "cancelled calls are not admitted"
    );
}

#[tokio::test]
async fn an_invalid_setting_or_unsuitable_store_fails_the_start_with_the_remedy() {
    let unfit = Probe::new();
    unfit.set_unsuitable();
    let error = run_to_its_end(unfit, settings()).await;
    assert!(matches!(error, FrontError::Store(_)) && error.to_string().contains("noeviction"), "{error}");
    let error = run_to_its_end(Probe::new(), FrontSettings { max_batch: 0, ..settings() }).await;
    assert!(error.to_string().contains("front.max_batch"), "{error}");
}

async fn run_to_its_end(store: std::sync::Arc<Probe>, settings: FrontSettings) -> FrontError {
    let listener = inrush_runtime::listen::bind("127.0.0.1:0", "the test").unwrap();
    let parts = inrush_front::FrontParts {
        settings,
        store,
        keyring: inrush_core::Keyring::ephemeral().unwrap(),
        readiness: inrush_runtime::readiness::Readiness::new(),
        metrics: inrush_telemetry::Metrics::default(),
        traces: None,
    };
    inrush_front::run_here(parts, listener, &inrush_runtime::shutdown::Shutdown::new()).await.unwrap_err()
}
