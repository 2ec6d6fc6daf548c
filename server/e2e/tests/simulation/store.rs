//! The store of a run: the memory store under a layer that forgets, fails and drops replies.

use std::sync::Arc;

use futures_util::FutureExt as _;
use inrush_core::{
    SaleId, Store, StoreError,
    store::{
        Claim, ClaimRequest, LeaseToken, SettleResult, Settlement,
        decorator::{Call, StoreDecorator},
    },
    time::{Clock, ManualClock},
};
use inrush_simulation::history::{Step, Work};
use inrush_store::memory::{Checkpoint, MemoryStore};
use parking_lot::Mutex;

use crate::{
    front::{name, state_of},
    planted::Planted,
    random::Random,
    scenario::LossKind,
};

/// Checkpoints that a loss can go back to.
const MAX_CHECKPOINTS: usize = 12;

/// A number of a history has 52 bits.
const HISTORY_SHIFT: u32 = 12;

/// The result of an operation. No operation of the memory store waits.
pub(crate) fn run<T>(operation: impl Future<Output = T>) -> T {
    operation.now_or_never().expect("the memory store does not wait")
}

/// The memory store with its past.
pub(crate) struct ForgetfulStore {
    clock: ManualClock,
    history: u64,
    memory: Arc<MemoryStore>,
    checkpoints: Vec<Arc<Checkpoint>>,
    faults: Arc<Mutex<Faults>>,
    planted: Option<Planted>,
    pub(crate) work: Arc<Mutex<WorkLog>>,
    lease: u64,
    /// What fronts and workers use.
    pub(crate) port: Arc<dyn Store>,
}

/// What happens to the next operations.
struct Faults {
    random: Random,
    /// Percent that fail.
    failures: u64,
    /// A loss after so many operations.
    pending: Option<(u64, Forget)>,
}

/// A loss that can happen between two operations of one call.
struct Forget {
    memory: Arc<MemoryStore>,
    back_to: Option<Arc<Checkpoint>>,
    restarts: bool,
}

impl Forget {
    fn now(&self) {
        if let Some(checkpoint) = &self.back_to {
            self.memory.roll_back(checkpoint);
        }
        if self.restarts {
            self.memory.restart();
        }
    }
}

impl ForgetfulStore {
    pub(crate) fn new(
        clock: ManualClock,
        random: &mut Random,
        failures: u64,
        lease: u64,
        planted: Option<Planted>,
    ) -> Self {
        let history = random.next() >> HISTORY_SHIFT;
        let memory = MemoryStore::with_history(Clock::Manual(clock.clone()), history);
        let faults = Faults { random: Random::new(random.next()), failures, pending: None };
        let faults = Arc::new(Mutex::new(faults));
        let port: Arc<dyn Store> = Arc::<MemoryStore>::clone(&memory);
        let work = Arc::default();
        let mut store =
            Self { clock, history, memory, checkpoints: Vec::new(), faults, planted, work, lease, port };
        store.connect();
        store
    }

    /// Remembers the present state as one that a loss can go back to.
    pub(crate) fn checkpoint(&mut self, random: &mut Random) {
        if self.checkpoints.len() == MAX_CHECKPOINTS {
            let index = usize::try_from(random.between(0, MAX_CHECKPOINTS as u64 - 1)).unwrap_or(0);
            self.checkpoints.remove(index);
        }
        self.checkpoints.push(Arc::new(self.memory.checkpoint()));
    }

    /// Forgets. Returns whether data may be gone.
    pub(crate) fn lose(&mut self, kind: LossKind, random: &mut Random) -> bool {
        let last = self.checkpoints.len().saturating_sub(1) as u64;
        let index = usize::try_from(random.between(0, last)).unwrap_or(0);
        let older = self.checkpoints.get(index).cloned();
        if kind != LossKind::Restart {
            // What came later than the data that is put back is gone.
            self.checkpoints.truncate(index + 1);
        }
        let keeps_epoch = self.planted == Some(Planted::KeepsEpoch);
        let (back_to, restarts) = match kind {
            LossKind::Restart => (None, !keeps_epoch),
            LossKind::RollBack => (older, false),
            LossKind::RestartOlder => (older, true),
            LossKind::Empty => (Some(Arc::default()), true),
            LossKind::Promotion => return self.promote(older, random),
        };
        if keeps_epoch && back_to.is_some() {
            return self.promote(back_to, random);
        }
        let forgets = back_to.is_some();
        let forget = Forget { memory: Arc::clone(&self.memory), back_to, restarts };
        self.faults.lock().pending = Some((random.between(0, 2), forget));
        forgets
    }

    /// The memory store as it is now, with the planted mistake, under the faults.
    fn connect(&mut self) {
        let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&self.memory);
        let store = match self.planted {
            Some(planted) => planted.wrap(store),
            None => store,
        };
        let (work, faults) = (Arc::clone(&self.work), Arc::clone(&self.faults));
        self.port = Arc::new(FaultLayer { store, work, lease: self.lease, faults });
    }

    fn promote(&mut self, older: Option<Arc<Checkpoint>>, random: &mut Random) -> bool {
        let older = older.unwrap_or_default();
        if self.planted != Some(Planted::KeepsEpoch) {
            self.history = random.next() >> HISTORY_SHIFT;
        }
        let promoted = MemoryStore::with_history(Clock::Manual(self.clock.clone()), self.history);
        promoted.roll_back(&older);
        self.memory = promoted;
        self.connect();
        true
    }

    /// No more faults; a loss that is due happens now.
    pub(crate) fn calm(&self) {
        let mut faults = self.faults.lock();
        faults.failures = 0;
        if let Some((_, forget)) = faults.pending.take() {
            forget.now();
        }
    }
}

/// What workers did, recorded at the store.
#[derive(Debug, Default)]
pub(crate) struct WorkLog {
    /// The time of the run.
    pub(crate) now: u64,
    pub(crate) steps: Vec<Work>,
}

struct FaultLayer {
    store: Arc<dyn Store>,
    work: Arc<Mutex<WorkLog>>,
    /// How long a lease is, in nanoseconds; 0 when clocks are set: its end is then unknown.
    lease: u64,
    faults: Arc<Mutex<Faults>>,
}

impl FaultLayer {
    /// Runs an operation, and lets `record` see its reply also when the caller does not.
    async fn with_faults<T>(
        &self,
        run: impl Future<Output = Result<T, StoreError>> + Send,
        record: impl FnOnce(u64, &T, &mut Vec<Work>) + Send,
    ) -> Result<T, StoreError> {
        let (fails, drops) = self.draw();
        if fails {
            return Err(StoreError::Unavailable("the connection is broken".to_owned()));
        }
        let reply = run.await;
        if let Ok(reply) = &reply {
            let mut work = self.work.lock();
            let now = work.now;
            record(now, reply, &mut work.steps);
        }
        if drops { Err(StoreError::Unavailable("the reply was lost".to_owned())) } else { reply }
    }

    /// Whether the operation fails before it happens, and whether its reply is lost.
    fn draw(&self) -> (bool, bool) {
        let mut faults = self.faults.lock();
        let due = faults.pending.as_mut().is_some_and(|(after, _)| {
            let due = *after == 0;
            *after = after.saturating_sub(1);
            due
        });
        if due && let Some((_, forget)) = faults.pending.take() {
            forget.now();
        }
        let failures = faults.failures;
        (faults.random.chance(failures), faults.random.chance(failures))
    }
}

impl StoreDecorator for FaultLayer {
    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    fn around_own_connection(&self, store: Arc<dyn Store>) -> Self {
        Self { store, work: Arc::clone(&self.work), lease: self.lease, faults: Arc::clone(&self.faults) }
    }

    async fn around<T: Send>(
        &self,
        _: Call<T>,
        run: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.with_faults(run, |_, _, _| {}).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        let record = |now: u64, claim: &Claim, work: &mut Vec<Work>| {
            for claimed in &claim.entries {
                let ticket = name(claim.epochs.ticket(claimed.seq));
                let until = now + self.lease;
                let step = Step::Claimed { attempt: claimed.attempt, until };
                work.push(Work { at: now, ticket, fence: claim.fence, step });
            }
        };
        self.with_faults(self.store.claim(sale, request), record).await
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        // Settlements name a ticket by its seq; its claim has the epoch.
        let record = |now: u64, results: &Vec<SettleResult>, work: &mut Vec<Work>| {
            for (LeaseToken { seq, fence }, result) in
                settlements.iter().map(|it| it.lease_token).zip(results)
            {
                let claim = work.iter().rfind(|work| work.ticket.seq == seq && work.fence == fence);
                let Some(ticket) = claim.map(|claim| claim.ticket) else { continue };
                let state = match result {
                    SettleResult::Done(state) => Some(state_of(*state)),
                    SettleResult::Stale => None,
                };
                work.push(Work { at: now, ticket, fence, step: Step::Settled { state } });
            }
        };
        self.with_faults(self.store.settle(sale, settlements), record).await
    }
}
