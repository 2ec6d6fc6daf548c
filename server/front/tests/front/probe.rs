//! A store that counts its operations, and can be slow, unavailable or unsuitable on purpose.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use inrush_core::{
    Durability, SaleId, Store, StoreError,
    store::{
        AdmitReply, AdmitRequest, StoreEvent, WriteRefusal,
        decorator::{Call, Operation, StoreDecorator},
    },
    time::Clock,
};
use inrush_store::memory::{Checkpoint, MemoryStore};
use tokio::sync::{RwLock, RwLockWriteGuard, broadcast};

/// Clones and dedicated handles share everything.
#[derive(Clone)]
pub(crate) struct Probe {
    store: Arc<dyn Store>,
    memory: Arc<MemoryStore>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The sizes of the batches of each operation, in the order in which they came.
    runs: Mutex<HashMap<&'static str, Vec<usize>>>,
    /// A write lock holds all admissions back.
    admissions: RwLock<()>,
    unavailable: AtomicBool,
    unsuitable: AtomicBool,
    full: AtomicBool,
    panics: AtomicBool,
    writes_to_disk: AtomicBool,
    deaf: AtomicBool,
    tears: AtomicBool,
}

impl Probe {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(Clock::Store)
    }

    pub(crate) fn with(clock: Clock) -> Arc<Self> {
        let memory = MemoryStore::new(clock);
        Arc::new(Self { store: Arc::clone(&memory) as Arc<dyn Store>, memory, state: Arc::default() })
    }

    /// The state of all sales, for [`Self::forget_since`].
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        self.memory.checkpoint()
    }

    /// The store comes back with the data of `checkpoint`, as a server does that is restarted.
    pub(crate) fn forget_since(&self, checkpoint: &Checkpoint) {
        self.memory.roll_back(checkpoint);
        self.memory.restart();
    }

    /// How often `operation` ran.
    pub(crate) fn runs(&self, operation: &'static str) -> usize {
        self.batches(operation).len()
    }

    /// How many requests each run of `operation` had.
    pub(crate) fn batches(&self, operation: &'static str) -> Vec<usize> {
        self.state.runs.lock().unwrap().get(operation).cloned().unwrap_or_default()
    }

    /// How many operations ran, without health checks.
    pub(crate) fn all_runs(&self) -> usize {
        self.state.runs.lock().unwrap().values().map(Vec::len).sum()
    }

    /// No admission is answered until the guard is dropped.
    pub(crate) async fn hold_admissions(&self) -> RwLockWriteGuard<'_, ()> {
        self.state.admissions.write().await
    }

    pub(crate) fn set_unavailable(&self, unavailable: bool) {
        self.state.unavailable.store(unavailable, Ordering::SeqCst);
    }

    pub(crate) fn set_unsuitable(&self) {
        self.state.unsuitable.store(true, Ordering::SeqCst);
    }

    /// Refuses admissions, and says so when it is checked.
    pub(crate) fn set_full(&self, full: bool) {
        self.state.full.store(full, Ordering::SeqCst);
    }

    fn refuse_if_full(&self) -> Result<(), StoreError> {
        if self.state.full.load(Ordering::SeqCst) {
            return Err(StoreError::RefusesWrites(WriteRefusal::Full, "raise maxmemory".to_owned()));
        }
        Ok(())
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

    /// The reply of the next configuration is lost in a way that cannot be read.
    pub(crate) fn tear_next_configuration(&self) {
        self.state.tears.store(true, Ordering::SeqCst);
    }

    fn ask(&self, operation: &'static str, size: usize) -> Result<(), StoreError> {
        self.state.runs.lock().unwrap().entry(operation).or_default().push(size);
        self.state()
    }

    fn state(&self) -> Result<(), StoreError> {
        if self.state.unsuitable.load(Ordering::SeqCst) {
            return Err(StoreError::Unsuitable("set maxmemory-policy to noeviction".to_owned()));
        }
        if self.state.unavailable.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("connection refused".to_owned()));
        }
        assert!(!self.state.panics.load(Ordering::SeqCst), "the store panics on purpose");
        Ok(())
    }
}

impl StoreDecorator for Probe {
    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    fn around_own_connection(&self, _inner: Arc<dyn Store>) -> Self {
        self.clone()
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        if self.state.deaf.load(Ordering::SeqCst) {
            return broadcast::channel(1).1;
        }
        self.store.events()
    }

    async fn around<T: Send>(
        &self,
        call: Call<T>,
        run: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match call.operation {
            // Tests do the work of fulfilment: its operations are neither counted nor broken.
            Operation::Claim | Operation::Extend | Operation::Settle | Operation::Recover => {}
            Operation::Check => {
                self.state()?;
                self.refuse_if_full()?;
            }
            operation => self.ask(operation.name(), call.requests().unwrap_or(1))?,
        }
        let torn = call.operation == Operation::Configure && self.state.tears.swap(false, Ordering::SeqCst);
        let reply = run.await;
        if torn { Err(StoreError::Corrupt("the reply ends early".to_owned())) } else { reply }
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        self.ask("admit", requests.len())?;
        self.refuse_if_full()?;
        let _let_through = self.state.admissions.read().await;
        self.store.admit(sale, requests).await
    }

    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        Ok(match durability {
            Durability::Memory => true,
            Durability::Fsync => self.state.writes_to_disk.load(Ordering::SeqCst),
            Durability::Replicated => false,
        })
    }
}
