//! What the tests have in common: a store with short timeouts, a sale, buyers, and waiting for a condition.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inrush_core::store::prelude::*;
use inrush_core::{
    Entry, SaleId, SaleSettings, StoreError,
    store::{Admission, AdmitReply, AdmitRequest, ConfigureResult, Precondition, StoreEvent},
};
use inrush_store::redis::{RedisSettings, RedisStore};
use tokio::{sync::broadcast, time::timeout};

/// How long anything may take on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(30);

/// An announcement that is not received within this time is made again.
const ANNOUNCEMENT: Duration = Duration::from_millis(200);

const POLL: Duration = Duration::from_millis(20);

pub(crate) async fn connect(url: &str) -> Arc<RedisStore> {
    connect_with(RedisSettings::new(url)).await
}

pub(crate) async fn connect_with(settings: RedisSettings) -> Arc<RedisStore> {
    RedisStore::connect(settings).await.expect("the URL can be read")
}

pub(crate) fn sale_id() -> SaleId {
    "phone-x".parse().expect("an id")
}

pub(crate) async fn create(store: &RedisStore, settings: &SaleSettings) -> SaleId {
    let sale = sale_id();
    let configured = store.configure(&sale, settings, Precondition::Absent).await;
    assert!(matches!(configured, Ok(ConfigureResult::Done(_))), "{configured:?}");
    sale
}

pub(crate) fn request(buyer: &str) -> AdmitRequest {
    let entry =
        Entry { buyer: buyer.parse().expect("a buyer"), units: 1, payload: Vec::new(), trace: Vec::new() };
    AdmitRequest { entry, supersedes: None, restores: None }
}

pub(crate) async fn enqueue(
    store: &RedisStore,
    sale: &SaleId,
    buyer: &str,
) -> Result<AdmitReply, StoreError> {
    store.admit(sale, &[request(buyer)]).await
}

pub(crate) async fn admission_of(store: &RedisStore, sale: &SaleId, buyer: &str) -> Admission {
    enqueue(store, sale, buyer).await.expect("an answer").admissions[0]
}

/// Repeats an operation until it succeeds.
pub(crate) async fn eventually<T>(mut operation: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let started = Instant::now();
    loop {
        match operation().await {
            Ok(value) => return value,
            Err(error) => assert!(started.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Announcements from a subscription that is established, so that the next answer of the server is not the subscription's. Before
/// it is established, announcements are lost: new sales are announced until one is received.
pub(crate) async fn wait_until_listening(store: &RedisStore) -> broadcast::Receiver<StoreEvent> {
    let mut events = store.events();
    for number in 0.. {
        let mark: SaleId = format!("mark-{number}").parse().expect("an id");
        store.configure(&mark, &SaleSettings::of_stock(1), Precondition::Absent).await.expect("an answer");
        let announced = Ok(StoreEvent::Admission(mark));
        if timeout(ANNOUNCEMENT, async { while events.recv().await != announced {} }).await.is_ok() {
            break;
        }
    }
    events
}
