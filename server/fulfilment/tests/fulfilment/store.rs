//! A memory store that counts calls and can be away, and shorthand for filling it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use inrush_core::{
    Durability, Entry, SaleId, SaleSettings, SaleSnapshot, Seq, Store, StoreError,
    store::{
        Admission, AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, LeaseToken, LookUpReply, MAX_BATCH, Precondition, Recovery, ReleaseResult,
        SettleResult, Settlement, StoreEvent,
    },
    time::Clock,
};
use inrush_store::memory::MemoryStore;
use tokio::sync::broadcast;

/// A part of the store that is counted and can be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    SaleIds,
    Claim,
    Extend,
    Settle,
    Recover,
    Sale,
}

/// The memory store seen by one worker.
#[derive(Clone)]
pub(crate) struct TestStore {
    memory: Arc<MemoryStore>,
    calls: Arc<Mutex<HashMap<Operation, usize>>>,
    away: Arc<Mutex<HashSet<Operation>>>,
    /// Where it is set: what the worker hears instead of the store's announcements.
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
            away: Arc::default(),
            announcements: None,
        }
    }

    /// The same data whose announcements all get lost; what the worker hears instead is sent here.
    pub(crate) fn with_announcements_lost(self) -> (Self, broadcast::Sender<StoreEvent>) {
        let announcements = broadcast::Sender::new(16);
        (Self { announcements: Some(announcements.clone()), ..self }, announcements)
    }

    /// The same data with counters and failures of its own.
    pub(crate) fn seen_by_another(&self) -> Self {
        Self {
            memory: Arc::clone(&self.memory),
            calls: Arc::default(),
            away: Arc::default(),
            announcements: None,
        }
    }

    pub(crate) fn calls(&self, operation: Operation) -> usize {
        self.calls.lock().unwrap().get(&operation).copied().unwrap_or_default()
    }

    /// Calls of all counted operations.
    pub(crate) fn all_calls(&self) -> usize {
        self.calls.lock().unwrap().values().sum()
    }

    pub(crate) fn go_away(&self, operation: Operation) {
        self.away.lock().unwrap().insert(operation);
    }

    pub(crate) fn come_back(&self) {
        self.away.lock().unwrap().clear();
    }

    pub(crate) async fn create(&self, sale: &str, settings: &SaleSettings) {
        let configured = self.configure(&id(sale), settings, Precondition::Absent).await.unwrap();
        assert!(matches!(configured, ConfigureResult::Done(_)), "{configured:?}");
    }

    pub(crate) async fn change(&self, sale: &str, change: impl FnOnce(&mut SaleSettings)) {
        let mut snapshot = self.snapshot(sale).await;
        change(&mut snapshot.settings);
        let version = Precondition::Version(snapshot.version);
        let configured = self.configure(&id(sale), &snapshot.settings, version).await.unwrap();
        assert!(matches!(configured, ConfigureResult::Done(_)), "{configured:?}");
    }

    /// Lets `buyers` new buyers ask for one unit each; all must get in.
    pub(crate) async fn enqueue(&self, sale: &str, buyers: u64) {
        self.enqueue_units(sale, &vec![1; usize::try_from(buyers).unwrap()]).await;
    }

    pub(crate) async fn enqueue_units(&self, sale: &str, units: &[u64]) {
        self.enqueue_traced(sale, units, |_| vec![9]).await;
    }

    /// Each with the trace context that its number has.
    pub(crate) async fn enqueue_traced(&self, sale: &str, units: &[u64], trace: impl Fn(u64) -> Vec<u8>) {
        let first = self.snapshot(sale).await.last_seq + 1;
        let requests: Vec<AdmitRequest> = (first..)
            .zip(units)
            .map(|(number, &units)| {
                let buyer = format!("buyer-{number}").parse().unwrap();
                let entry = Entry { buyer, units, payload: vec![1, 2, 3], trace: trace(number) };
                AdmitRequest { entry, supersedes: None }
            })
            .collect();
        for batch in requests.chunks(MAX_BATCH) {
            let reply = self.admit(&id(sale), batch).await.unwrap();
            assert!(reply.admissions.iter().all(|one| matches!(one, Admission::Queued { .. })), "{reply:?}");
        }
    }

    pub(crate) async fn snapshot(&self, sale: &str) -> SaleSnapshot {
        self.memory.sale(&id(sale)).await.unwrap()
    }

    /// Resolves when so many tickets of the sale have an order.
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
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        if self.away.lock().unwrap().contains(&operation) {
            return Err(StoreError::Unavailable("taken away by the test".to_owned()));
        }
        Ok(())
    }
}

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(2);
const ATTEMPTS: u32 = 15_000;

/// Waits until something is true. Only a defect makes it take long.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..ATTEMPTS {
        if condition() {
            return;
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
    panic!("never happened: {what}");
}

#[async_trait]
impl Store for TestStore {
    fn backend(&self) -> &'static str {
        self.memory.backend()
    }

    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.memory.check().await
    }

    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        self.memory.supports_durability(durability).await
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.announcements.as_ref().map_or_else(|| self.memory.events(), broadcast::Sender::subscribe)
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        self.memory.configure(sale, settings, precondition).await
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.count(Operation::Sale)?;
        self.memory.sale(sale).await
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        self.memory.sales(after, limit).await
    }

    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        self.count(Operation::SaleIds)?;
        self.memory.sale_ids(after, limit).await
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.memory.close(sale).await
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        self.memory.delete(sale).await
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        self.memory.admit(sale, requests).await
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError> {
        self.memory.admitted_buyers(sale, after).await
    }

    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError> {
        self.memory.look_up(sale, seqs).await
    }

    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError> {
        self.memory.cancel(sale, seqs).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        self.count(Operation::Claim)?;
        self.memory.claim(sale, request).await
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        self.count(Operation::Extend)?;
        self.memory.extend(sale, leases).await
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        self.count(Operation::Settle)?;
        self.memory.settle(sale, settlements).await
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        self.count(Operation::Recover)?;
        self.memory.recover(sale).await
    }

    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError> {
        self.memory.release(sale, seqs).await
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.memory.dead_letters(sale, after, limit).await
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.memory.redrive(sale, seqs).await
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.memory.discard(sale, seqs).await
    }
}
