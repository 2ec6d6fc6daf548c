//! The store in memory: the ports' executable specification, and the default of `up` and `demo`. Nothing is persisted.
//!
//! Each operation is a method of [`sale::Sale`], in a file of its own under `memory/sale/`. This file finds the sale,
//! locks it for the operation, checks its invariants in debug builds and sends its events.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use async_trait::async_trait;
use inrush_core::{
    sale::{SaleId, SaleSettings, SaleSnapshot},
    store::{
        AdminStore, AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, Durability, LeaseToken, LookUpReply, Precondition, QueueStore, Recovery, ReleaseResult,
        SettleResult, Settlement, Store, StoreError, StoreEvent, StoreHandle, WorkStore, check_batch_size,
    },
    ticket::Seq,
    time::{Clock, Timestamp},
};
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::broadcast;

use self::sale::{Announcements, Sale};

mod cancelled;
mod claimed;
mod pace;
mod queue;
mod sale;

/// Events buffered for a slow subscriber. They only save time, so the oldest may be lost.
const EVENT_BUFFER: usize = 4096;

type Sales = BTreeMap<SaleId, Arc<Mutex<Sale>>>;

/// Sales in the memory of this process.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    sales: RwLock<Sales>,
    events: broadcast::Sender<StoreEvent>,
}

impl MemoryStore {
    /// An empty store that takes its time from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        Arc::new(Self { shared: Arc::new(Shared { clock, sales: RwLock::default(), events }) })
    }

    /// Runs one operation with exclusive access to its sale.
    fn on<T>(&self, id: &SaleId, operation: impl FnOnce(&mut Sale, Timestamp) -> T) -> Result<T, StoreError> {
        let sale = self.shared.find(id)?;
        let mut sale = sale.lock();
        let reply = operation(&mut sale, self.shared.now());
        let announcements = sale.finish_operation();
        drop(sale);
        self.shared.announce(id, announcements);
        Ok(reply)
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        match &self.clock {
            Clock::Store => Timestamp::now(),
            Clock::Manual(clock) => clock.now(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Sales> {
        self.sales.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Sales> {
        self.sales.write()
    }

    fn find(&self, id: &SaleId) -> Result<Arc<Mutex<Sale>>, StoreError> {
        self.read().get(id).cloned().ok_or_else(|| StoreError::SaleNotFound(id.clone()))
    }

    /// Sends events; without subscribers they are dropped.
    fn announce(&self, id: &SaleId, announcements: Announcements) {
        if announcements.admission {
            let _ = self.events.send(StoreEvent::Admission(id.clone()));
        }
        if announcements.work {
            let _ = self.events.send(StoreEvent::Work(id.clone()));
        }
    }

    fn create(&self, id: &SaleId, settings: &SaleSettings) -> ConfigureResult {
        let mut sales = self.write();
        if let Some(existing) = sales.get(id) {
            return ConfigureResult::Conflict(Some(existing.lock().snapshot(self.now())));
        }
        let mut sale = Sale::create(id.clone(), settings.clone(), self.now());
        let snapshot = sale.snapshot(self.now());
        let announcements = sale.finish_operation();
        sales.insert(id.clone(), Arc::new(Mutex::new(sale)));
        drop(sales);
        self.announce(id, announcements);
        ConfigureResult::Done(snapshot)
    }

    fn delete(&self, id: &SaleId) -> DeleteResult {
        let mut sales = self.write();
        let blocker = sales.get(id).and_then(|sale| sale.lock().deletion_blocker());
        blocker.unwrap_or_else(|| {
            sales.remove(id);
            DeleteResult::Deleted
        })
    }

    fn after<'a>(
        sales: &'a Sales,
        after: Option<&SaleId>,
    ) -> impl Iterator<Item = (&'a SaleId, &'a Arc<Mutex<Sale>>)> {
        sales.range::<SaleId, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
    }
}

#[async_trait]
impl StoreHandle for MemoryStore {
    fn backend(&self) -> &'static str {
        "memory"
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.shared.events.subscribe()
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.on(sale, |sale, now| sale.snapshot(now))
    }
}

#[async_trait]
impl QueueStore for MemoryStore {
    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        check_batch_size(requests.len())?;
        self.on(sale, |sale, now| sale.admit(now, requests))
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError> {
        self.on(sale, |sale, _| sale.admitted_buyers(after))
    }

    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError> {
        check_batch_size(seqs.len())?;
        self.on(sale, |sale, _| sale.look_up(seqs))?
    }

    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError> {
        check_batch_size(seqs.len())?;
        self.on(sale, |sale, _| seqs.iter().map(|&seq| sale.cancel(seq)).collect())
    }

    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError> {
        check_batch_size(seqs.len())?;
        self.on(sale, |sale, _| seqs.iter().map(|&seq| sale.release(seq)).collect())?
    }
}

#[async_trait]
impl WorkStore for MemoryStore {
    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        Ok(Shared::after(&self.shared.read(), after).take(limit).map(|(id, _)| id.clone()).collect())
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        check_batch_size(request.max)?;
        self.on(sale, |sale, now| sale.claim(now, request.max))
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        check_batch_size(leases.len())?;
        self.on(sale, |sale, now| leases.iter().map(|&lease_token| sale.extend(now, lease_token)).collect())
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        check_batch_size(settlements.len())?;
        self.on(sale, |sale, now| settlements.iter().map(|settlement| sale.settle(now, settlement)).collect())
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        self.on(sale, Sale::recover)
    }
}

#[async_trait]
impl AdminStore for MemoryStore {
    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        Ok(durability == Durability::Memory)
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        match precondition {
            Precondition::Absent => Ok(self.shared.create(sale, settings)),
            Precondition::Version(version) => {
                match self.on(sale, |sale, now| sale.configure(now, settings, version)) {
                    Err(StoreError::SaleNotFound(_)) => Ok(ConfigureResult::Conflict(None)),
                    reply => reply,
                }
            }
        }
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        let now = self.shared.now();
        let sales = self.shared.read();
        Ok(Shared::after(&sales, after).take(limit).map(|(_, sale)| sale.lock().snapshot(now)).collect())
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.on(sale, |sale, now| sale.close(now))
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        Ok(self.shared.delete(sale))
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.on(sale, |sale, _| sale.dead_letters(after, limit))
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        check_batch_size(seqs.len())?;
        self.on(sale, |sale, now| seqs.iter().map(|&seq| sale.redrive(now, seq)).collect())
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        check_batch_size(seqs.len())?;
        self.on(sale, |sale, _| seqs.iter().map(|&seq| sale.discard(seq)).collect())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(Self { shared: Arc::clone(&self.shared) }))
    }
}
