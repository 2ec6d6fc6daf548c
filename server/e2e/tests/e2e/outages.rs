//! Outages of Redis, a Redis with the wrong settings, and a front that drains. Nothing acknowledged is lost.

use std::time::Duration;

use inrush_client::{Client, Enqueued, TicketState, proto};
use inrush_testkit::{inrush, port::free_port, redis_server::RedisServer};
use tokio::time::sleep;

use crate::system::{Shape, System, connect, create_sale, enqueue, poll_all, tickets};

#[tokio::test(flavor = "multi_thread")]
async fn a_front_without_redis_logs_it_and_serves_once_redis_is_back() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let (mut front, port) = crate::system::start_front(&redis.url()).await;
    front.wait_for_output("store unavailable").await;
    let mut health = health(port).await;
    assert_eq!(serving(&mut health).await, 2, "NOT_SERVING while the store is unavailable");
    redis.restart().await;
    until("the front serves", async || serving(&mut self::health(port).await).await == 1).await;
    let client = connect(&[port]).await;
    create_sale(&client, proto::Sale { sale_id: "late".into(), stock: Some(1), ..Default::default() }).await;
    assert!(matches!(enqueue(&client, "late", "ann").await, Enqueued::Queued { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_outage_under_load_loses_nothing() {
    // Durability `fsync`: everything acknowledged is on disk.
    let durable = [("appendonly", "yes"), ("appendfsync", "always")];
    let mut system = System::start("outage", Shape { redis: &durable, ..Shape::default() }).await;
    let client = system.client().await;
    let sale = proto::Sale {
        sale_id: "outage".into(),
        stock: Some(400),
        durability: proto::Durability::Fsync.into(),
        lease_duration: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
        max_attempts: 50,
        ..Default::default()
    };
    create_sale(&client, sale).await;
    let buyers = tokio::spawn(enqueue_with_retries(client.clone()));
    system.ledger_where("outage", "at 50 admitted", |ledger| tickets(ledger.admitted) >= 50).await;
    for _ in 0..2 {
        system.redis.kill();
        sleep(Duration::from_millis(300)).await;
        system.redis.restart().await;
        sleep(Duration::from_millis(300)).await;
    }
    let held = buyers.await.expect("every buyer is admitted after retries");
    assert_eq!(held.len(), 400);
    system
        .ledger_where("outage", "all ordered", |ledger| {
            tickets(ledger.ordered) == 400 && tickets(ledger.in_flight) == 0
        })
        .await;
    let statuses = poll_all(&client, &held).await;
    assert_eq!(statuses.len(), 400);
    assert!(statuses.iter().all(|status| status.state == TicketState::Ordered), "lost: {statuses:?}");
}

/// Enqueues four hundred buyers one after the other, each with retries until it is queued.
async fn enqueue_with_retries(client: Client) -> Vec<inrush_client::Ticket> {
    let mut held = Vec::new();
    for number in 0..400 {
        let buyer = format!("buyer-{number}");
        match enqueue(&client, "outage", &buyer).await {
            Enqueued::Queued { ticket, durability, .. } => {
                assert_eq!(durability, inrush_client::Durability::Fsync);
                held.push(ticket);
            }
            other => panic!("{buyer}: {other:?}"),
        }
        sleep(Duration::from_millis(3)).await;
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_is_refused_with_the_remedy() {
    let redis = RedisServer::start_with(&[("maxmemory-policy", "allkeys-lru")]).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let key = [("INRUSH_TICKETS_KEYS", "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")];
    let arguments = ["front", "--listen", &listen, "--store", &redis.url(), "--admin-listen", "off"];
    let mut front = inrush::start(&arguments, &key);
    assert_eq!(front.wait().await.code(), Some(2), "{}", front.output());
    assert!(front.output().contains("noeviction"), "{}", front.output());
    let mut fulfilment =
        inrush::start(&["fulfilment", "--store", &redis.url(), "--admin-listen", "off"], &[]);
    assert_eq!(fulfilment.wait().await.code(), Some(2), "{}", fulfilment.output());
    assert!(fulfilment.output().contains("noeviction"), "{}", fulfilment.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_front_drains_and_exits_with_zero() {
    let system = System::start("drain", Shape { fronts: 2, ..Shape::default() }).await;
    let client = system.client().await;
    create_sale(&client, proto::Sale { sale_id: "drain".into(), stock: Some(200), ..Default::default() })
        .await;
    let mut fronts = system.fronts;
    for number in 0..200 {
        if number == 50 {
            fronts[1].0.terminate();
        }
        let answer = client.enqueue("drain", &format!("buyer-{number}"), 1, Vec::new()).await;
        assert!(matches!(answer, Ok(Enqueued::Queued { .. })), "{answer:?}");
    }
    assert_eq!(fronts[1].0.wait().await.code(), Some(0), "{}", fronts[1].0.output());
}

type Health = tonic_health::pb::health_client::HealthClient<tonic::transport::Channel>;

async fn health(port: u16) -> Health {
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://127.0.0.1:{port}")).expect("a URL");
    Health::new(endpoint.connect().await.expect("the front listens"))
}

async fn serving(health: &mut Health) -> i32 {
    let request = tonic_health::pb::HealthCheckRequest::default();
    health.check(request).await.map_or(0, |answer| answer.into_inner().status)
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("timed out: {what}");
}
