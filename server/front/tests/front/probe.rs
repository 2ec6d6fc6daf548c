//! A store that counts what it is asked, and can be slow, away or unfit on purpose.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use inrush_core::{
    Durability, SaleId, SaleSettings, SaleSnapshot, Seq, Store, StoreError,
    store::{
        AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, LeaseToken, LookUpReply, Precondition, Recovery, ReleaseResult, SettleResult,
        Settlement, StoreEvent,
    },
    time::Clock,
};
use inrush_store::memory::MemoryStore;
use tokio::sync::{RwLock, RwLockWriteGuard, broadcast};

/// Clones and dedicated handles share everything.
#[derive(Clone)]
pub(crate) struct Probe {
    store: Arc<dyn Store>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The sizes of the batches of each operation, in the order in which they came.
    runs: Mutex<HashMap<&'static str, Vec<usize>>>,
    /// Whoever writes holds all admissions back.
    admissions: RwLock<()>,
    away: AtomicBool,
    unsuitable: AtomicBool,
    panics: AtomicBool,
    writes_to_disk: AtomicBool,
    deaf: AtomicBool,
}

impl Probe {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(Clock::Store)
    }

    pub(crate) fn with(clock: Clock) -> Arc<Self> {
        Arc::new(Self { store: MemoryStore::new(clock), state: Arc::default() })
    }

    /// How often `operation` ran.
    pub(crate) fn runs(&self, operation: &'static str) -> usize {
        self.batches(operation).len()
    }

    /// How many requests each run of `operation` had.
    pub(crate) fn batches(&self, operation: &'static str) -> Vec<usize> {
        self.state.runs.lock().unwrap().get(operation).cloned().unwrap_or_default()
    }

    /// How often anything at all was asked, health checks aside.
    pub(crate) fn all_runs(&self) -> usize {
        self.state.runs.lock().unwrap().values().map(Vec::len).sum()
    }

    /// No admission is answered until the guard is dropped.
    pub(crate) async fn hold_admissions(&self) -> RwLockWriteGuard<'_, ()> {
        self.state.admissions.write().await
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn set_unsuitable(&self) {
        self.state.unsuitable.store(true, Ordering::SeqCst);
    }

    pub(crate) fn set_panics(&self, panics: bool) {
        self.state.panics.store(panics, Ordering::SeqCst);
    }

    pub(crate) fn set_writes_to_disk(&self) {
        self.state.writes_to_disk.store(true, Ordering::SeqCst);
    }

    /// Announcements are lost from now on, for fronts that start later.
    pub(crate) fn set_deaf(&self) {
        self.state.deaf.store(true, Ordering::SeqCst);
    }

    fn ask(&self, operation: &'static str, size: usize) -> Result<(), StoreError> {
        self.state.runs.lock().unwrap().entry(operation).or_default().push(size);
        self.state()
    }

    fn state(&self) -> Result<(), StoreError> {
        if self.state.unsuitable.load(Ordering::SeqCst) {
            return Err(StoreError::Unsuitable("set maxmemory-policy to noeviction".to_owned()));
        }
        if self.state.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("connection refused".to_owned()));
        }
        assert!(!self.state.panics.load(Ordering::SeqCst), "the store panics on purpose");
        Ok(())
    }
}

#[async_trait]
impl Store for Probe {
    fn backend(&self) -> &'static str {
        self.store.backend()
    }

    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.state()?;
        self.store.check().await
    }

    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        Ok(match durability {
            Durability::Memory => true,
            Durability::Fsync => self.state.writes_to_disk.load(Ordering::SeqCst),
            Durability::Replicated => false,
        })
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        if self.state.deaf.load(Ordering::SeqCst) {
            return broadcast::channel(1).1;
        }
        self.store.events()
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        self.ask("configure", 1)?;
        self.store.configure(sale, settings, precondition).await
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.ask("sale", 1)?;
        self.store.sale(sale).await
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        self.ask("sales", 1)?;
        self.store.sales(after, limit).await
    }

    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        self.ask("sale_ids", 1)?;
        self.store.sale_ids(after, limit).await
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.ask("close", 1)?;
        self.store.close(sale).await
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        self.ask("delete", 1)?;
        self.store.delete(sale).await
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        self.ask("admit", requests.len())?;
        let _let_through = self.state.admissions.read().await;
        self.store.admit(sale, requests).await
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError> {
        self.ask("admitted_buyers", 1)?;
        self.store.admitted_buyers(sale, after).await
    }

    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError> {
        self.ask("look_up", seqs.len())?;
        self.store.look_up(sale, seqs).await
    }

    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError> {
        self.ask("cancel", seqs.len())?;
        self.store.cancel(sale, seqs).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        self.store.claim(sale, request).await
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        self.store.extend(sale, leases).await
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        self.store.settle(sale, settlements).await
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        self.store.recover(sale).await
    }

    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError> {
        self.ask("release", seqs.len())?;
        self.store.release(sale, seqs).await
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.ask("dead_letters", 1)?;
        self.store.dead_letters(sale, after, limit).await
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.ask("redrive", seqs.len())?;
        self.store.redrive(sale, seqs).await
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.ask("discard", seqs.len())?;
        self.store.discard(sale, seqs).await
    }
}
