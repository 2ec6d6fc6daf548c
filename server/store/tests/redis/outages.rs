//! Servers that are down, slow or restarted without their scripts.

use std::time::{Duration, Instant};

use inrush_core::store::prelude::*;
use inrush_core::{
    SaleSettings, Store, StoreError,
    store::{Admission, ClaimRequest, ConfigureResult, Precondition, StoreEvent, WriteRefusal},
};
use inrush_store::redis::RedisSettings;

use crate::{
    proxy::Proxy,
    redis_server::RedisServer,
    sentinel::RedisSentinel,
    support::{admission_of, connect, connect_with, create, enqueue, eventually, wait_until_listening},
};

const LONG_TIMEOUT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_process_can_start_before_its_redis() {
    let mut server = RedisServer::start().await;
    server.kill();
    let store = connect(&server.url()).await;
    let error = store.check().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains(&server.port().to_string())),
        "{error}"
    );
    server.restart().await;
    eventually(async || store.check().await).await;
    let sale = create(&store, &SaleSettings::of_stock(1)).await;
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Queued { seq: 1, position: 1 });
}

#[tokio::test]
async fn a_server_that_crashed_and_came_back_is_used_again() {
    let mut server = RedisServer::start_with(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    let store = connect(&server.url()).await;
    let other = store.with_own_connection().await.unwrap();
    let sale = create(&store, &SaleSettings::of_stock(2)).await;
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Queued { seq: 1, position: 1 });
    server.kill();
    assert!(matches!(enqueue(&store, &sale, "b").await, Err(StoreError::Unavailable(_))));
    server.restart().await;
    let reply = eventually(async || enqueue(&store, &sale, "b").await).await;
    assert!(matches!(reply.admissions[..], [Admission::Queued { position: 2, .. }]), "{reply:?}");
    let snapshot = eventually(async || other.sale(&sale).await).await;
    assert_eq!((snapshot.ledger.waiting.tickets, snapshot.rises, snapshot.restoring_until), (2, 1, None));
}

#[tokio::test]
async fn a_failover_is_followed_to_the_new_master() {
    let mut servers = RedisSentinel::start().await;
    let store = connect(&servers.url()).await;
    let mut events = wait_until_listening(&store).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Queued { seq: 1, position: 1 });
    servers.wait_until_safe().await;
    servers.master().kill();
    assert!(matches!(enqueue(&store, &sale, "b").await, Err(StoreError::Unavailable(_))));
    let reply = eventually(async || enqueue(&store, &sale, "b").await).await;
    assert!(matches!(reply.admissions[..], [Admission::Queued { position: 2, .. }]), "{reply:?}");
    assert_eq!(store.check().await, Ok(()));
    while events.recv().await != Ok(StoreEvent::Missed) {}
    store.close(&sale).await.unwrap();
    assert_eq!(events.recv().await, Ok(StoreEvent::Admission(sale)));
}

#[tokio::test]
async fn a_server_without_the_scripts_gets_them() {
    let server = RedisServer::start().await;
    let store = connect(&server.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    for (buyer, seq) in ["a", "b", "c"].into_iter().zip(1..) {
        server.command::<()>(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(admission_of(&store, &sale, buyer).await, Admission::Queued { seq, position: seq });
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_times_out_once() {
    let server = RedisServer::start().await;
    let store =
        connect_with(RedisSettings { response_timeout: LONG_TIMEOUT, ..RedisSettings::new(server.url()) })
            .await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    server.command::<()>(&["CLIENT", "PAUSE", "2000", "ALL"]).await;
    let started = Instant::now();
    let error = enqueue(&store, &sale, "a").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("no answer in time")), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2), "one timeout, not several: {:?}", started.elapsed());
    let reply = eventually(async || enqueue(&store, &sale, "a").await).await;
    assert_eq!(reply.admitted, 1);
}

#[tokio::test]
async fn a_lost_reply_is_retried_and_changes_nothing_twice() {
    let server = RedisServer::start().await;
    let proxy = Proxy::to(server.port()).await;
    let sale = create(&*connect(&server.url()).await, &SaleSettings::of_stock(9)).await;
    let store = connect(&proxy.url()).await;
    let listening = wait_until_listening(&store).await;
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Queued { seq: 1, position: 1 });
    proxy.swallow_next_answer();
    assert_eq!(admission_of(&store, &sale, "a").await, Admission::Existing { seq: 1 });
    proxy.swallow_next_answer();
    assert_eq!(admission_of(&store, &sale, "b").await, Admission::Existing { seq: 2 });
    assert!(!proxy.waits_to_swallow());
    assert_eq!(store.sale(&sale).await.unwrap().ledger.admitted.tickets, 2);
    drop(listening);
}

#[tokio::test]
async fn a_reply_that_is_cut_is_retried_as_a_lost_one() {
    let server = RedisServer::start().await;
    let proxy = Proxy::to(server.port()).await;
    let sale = create(&*connect(&server.url()).await, &SaleSettings::of_stock(9)).await;
    let store = connect(&proxy.url()).await;
    let mut listening = wait_until_listening(&store).await;
    admission_of(&store, &sale, "a").await;
    // The announcement comes through the proxy too, on the other connection.
    while listening.recv().await != Ok(StoreEvent::Work(sale.clone())) {}
    proxy.cut_next_answer();
    assert_eq!(admission_of(&store, &sale, "b").await, Admission::Existing { seq: 2 });
    // From now on the server has the script, so that the next answer is that of the claim.
    assert!(store.claim(&sale, ClaimRequest { max: 0 }).await.is_ok());
    proxy.cut_next_answer();
    let error = store.claim(&sale, ClaimRequest { max: 1 }).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("cut")), "{error}");
    assert_eq!(store.sale(&sale).await.unwrap().ledger.in_flight.tickets, 1);
    drop(listening);
}

#[tokio::test]
async fn a_claim_whose_reply_is_lost_is_not_retried() {
    let server = RedisServer::start().await;
    let proxy = Proxy::to(server.port()).await;
    let sale = create(&*connect(&server.url()).await, &SaleSettings::of_stock(9)).await;
    let store = connect(&proxy.url()).await;
    let listening = wait_until_listening(&store).await;
    for buyer in ["a", "b", "c"] {
        admission_of(&store, &sale, buyer).await;
    }
    assert!(store.claim(&sale, ClaimRequest { max: 0 }).await.is_ok());
    proxy.swallow_next_answer();
    let error = store.claim(&sale, ClaimRequest { max: 1 }).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(store.sale(&sale).await.unwrap().ledger.in_flight.tickets, 1);
    drop(listening);
}

#[tokio::test]
async fn subscribers_are_notified_that_events_may_be_lost() {
    let mut server = RedisServer::start().await;
    let store = connect(&server.url()).await;
    let mut events = wait_until_listening(&store).await;
    server.restart().await;
    assert_eq!(events.recv().await, Ok(StoreEvent::Missed));
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    assert_eq!(events.recv().await, Ok(StoreEvent::Admission(sale.clone())));
    admission_of(&store, &sale, "a").await;
    assert_eq!(events.recv().await, Ok(StoreEvent::Work(sale)));
}

#[tokio::test]
async fn a_full_server_still_serves_its_queue() {
    let server = RedisServer::start().await;
    let store = connect(&server.url()).await;
    let sale = create(&store, &SaleSettings::of_stock(9)).await;
    admission_of(&store, &sale, "a").await;
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = enqueue(&store, &sale, "b").await.unwrap_err();
    assert!(
        matches!(&error, StoreError::RefusesWrites(WriteRefusal::Full, text) if text.contains("maxmemory")),
        "{error}"
    );
    assert_eq!(store.claim(&sale, ClaimRequest { max: 1 }).await.unwrap().entries.len(), 1);
    for admission_held in [true, false] {
        let version = store.sale(&sale).await.unwrap().version;
        let settings = SaleSettings { admission_held, ..SaleSettings::of_stock(9) };
        let reply = store.configure(&sale, &settings, Precondition::Version(version)).await;
        assert!(matches!(reply, Ok(ConfigureResult::Done(_))), "a sale can be held and resumed: {reply:?}");
    }
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(admission_of(&store, &sale, "b").await, Admission::Queued { seq: 2, position: 1 });
}
