//! A memory store that counts calls and can be unavailable, with helpers to fill it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

pub(crate) use inrush_core::store::decorator::Operation;
use inrush_core::{
    AdminStore, Entry, QueueStore, SaleId, SaleSettings, SaleSnapshot, Store, StoreError, StoreHandle,
    store::{
        Admission, AdmitRequest, ConfigureResult, MAX_BATCH, Precondition, StoreEvent,
        decorator::{Call, StoreDecorator},
    },
    time::Clock,
};
use inrush_store::memory::MemoryStore;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// The memory store as one worker sees it.
#[derive(Clone)]
pub(crate) struct TestStore {
    memory: Arc<MemoryStore>,
    calls: Arc<Mutex<HashMap<Operation, usize>>>,
    unavailable: Arc<Mutex<HashSet<Operation>>>,
    /// If set, the announcements that the worker receives instead of the store's.
    announcements: Option<broadcast::Sender<StoreEvent>>,
}

pub(crate) fn id(sale: &str) -> SaleId {
    sale.parse().unwrap()
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self::with_clock(Clock::Store)
    }

    pub(crate) fn with_clock(clock: Clock) -> Self {
        Self {
            memory: MemoryStore::new(clock),
            calls: Arc::default(),
            unavailable: Arc::default(),
            announcements: None,
        }
    }

    /// The same data, with all announcements lost; the worker receives what is sent here instead.
    pub(crate) fn with_announcements_lost(self) -> (Self, broadcast::Sender<StoreEvent>) {
        let announcements = broadcast::Sender::new(16);
        (Self { announcements: Some(announcements.clone()), ..self }, announcements)
    }

    /// The same data with counters and failures of its own.
    pub(crate) fn seen_by_another(&self) -> Self {
        Self {
            memory: Arc::clone(&self.memory),
            calls: Arc::default(),
            unavailable: Arc::default(),
            announcements: None,
        }
    }

    /// The data, unseen by the counters.
    pub(crate) fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    pub(crate) fn calls(&self, operation: Operation) -> usize {
        self.calls.lock().get(&operation).copied().unwrap_or_default()
    }

    /// Calls of all operations.
    pub(crate) fn all_calls(&self) -> usize {
        self.calls.lock().values().sum()
    }

    pub(crate) fn make_unavailable(&self, operation: Operation) {
        self.unavailable.lock().insert(operation);
    }

    pub(crate) fn make_available(&self) {
        self.unavailable.lock().clear();
    }

    pub(crate) async fn create(&self, sale: &str, settings: &SaleSettings) {
        let configured = self.memory.configure(&id(sale), settings, Precondition::Absent).await.unwrap();
        assert!(matches!(configured, ConfigureResult::Done(_)), "{configured:?}");
    }

    pub(crate) async fn change(&self, sale: &str, change: impl FnOnce(&mut SaleSettings)) {
        let mut snapshot = self.snapshot(sale).await;
        change(&mut snapshot.settings);
        let version = Precondition::Version(snapshot.version);
        let configured = self.memory.configure(&id(sale), &snapshot.settings, version).await.unwrap();
        assert!(matches!(configured, ConfigureResult::Done(_)), "{configured:?}");
    }

    /// Enqueues `buyers` new buyers with one unit each; all must be admitted.
    pub(crate) async fn enqueue(&self, sale: &str, buyers: u64) {
        self.enqueue_units(sale, &vec![1; usize::try_from(buyers).unwrap()]).await;
    }

    pub(crate) async fn enqueue_units(&self, sale: &str, units: &[u64]) {
        self.enqueue_traced(sale, units, |_| vec![9]).await;
    }

    /// Each ticket carries the trace context of its seq.
    pub(crate) async fn enqueue_traced(&self, sale: &str, units: &[u64], trace: impl Fn(u64) -> Vec<u8>) {
        let first = self.snapshot(sale).await.last_seq + 1;
        let requests: Vec<AdmitRequest> = (first..)
            .zip(units)
            .map(|(number, &units)| {
                let buyer = format!("buyer-{number}").parse().unwrap();
                let entry = Entry { buyer, units, payload: vec![1, 2, 3], trace: trace(number) };
                AdmitRequest { entry, supersedes: None, restores: None }
            })
            .collect();
        for batch in requests.chunks(MAX_BATCH) {
            let reply = self.memory.admit(&id(sale), batch).await.unwrap();
            assert!(reply.admissions.iter().all(|one| matches!(one, Admission::Queued { .. })), "{reply:?}");
        }
    }

    pub(crate) async fn snapshot(&self, sale: &str) -> SaleSnapshot {
        self.memory.sale(&id(sale)).await.unwrap()
    }

    /// Resolves when so many tickets of the sale are ordered.
    pub(crate) async fn ordered(&self, sale: &str, tickets: u64) {
        let mut last = 0;
        for _ in 0..ATTEMPTS {
            last = self.snapshot(sale).await.ledger.ordered.tickets;
            if last >= tickets {
                return assert_eq!(last, tickets, "too many orders");
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        panic!("{last} of {tickets} tickets were ordered: {:?}", self.snapshot(sale).await.ledger);
    }

    fn count(&self, operation: Operation) -> Result<(), StoreError> {
        *self.calls.lock().entry(operation).or_default() += 1;
        if self.unavailable.lock().contains(&operation) {
            return Err(StoreError::Unavailable("made unavailable by the test".to_owned()));
        }
        Ok(())
    }
}

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(2);
const ATTEMPTS: u32 = 15_000;

/// Waits for a condition. Only a defect makes it take long.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..ATTEMPTS {
        if condition() {
            return;
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
    panic!("timed out waiting for: {what}");
}

impl StoreDecorator for TestStore {
    fn inner(&self) -> &dyn Store {
        &*self.memory
    }

    fn around_own_connection(&self, _inner: Arc<dyn Store>) -> Self {
        self.clone()
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.announcements.as_ref().map_or_else(|| self.memory.events(), broadcast::Sender::subscribe)
    }

    async fn around<T: Send>(
        &self,
        call: Call<T>,
        run: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.count(call.operation)?;
        run.await
    }
}
