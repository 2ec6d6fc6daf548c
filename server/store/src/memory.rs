//! The store in memory: the ports' executable specification, and the default of `up` and `demo`. Nothing is persisted.
//!
//! Each operation is a method of [`sale::Sale`], in a file of its own under `memory/sale/`. This file finds the sale,
//! locks it for the operation, checks its invariants in debug builds and sends its events.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    ops::Bound,
    sync::Arc,
};

use async_trait::async_trait;
use inrush_core::{
    epochs::{Epochs, RESTORE_WINDOW, TicketRef, epoch_after},
    sale::{SaleId, SaleSettings, SaleSnapshot},
    store::{
        AdminStore, AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, Durability, Finding, KnownOrder, LeaseToken, LookUpReply, Precondition, QueueStore,
        Recovery, ReleaseResult, SettleResult, Settlement, Store, StoreError, StoreEvent, StoreHandle,
        WorkStore, check_batch_size,
    },
    ticket::Seq,
    time::{Clock, Timestamp},
};
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::broadcast;

use crate::ahead;

use self::sale::{Announcements, Sale};

mod claimed;
mod pace;
mod queue;
mod sale;
mod seq_set;

/// Events buffered for a slow subscriber. They only save time, so the oldest may be lost.
const EVENT_BUFFER: usize = 4096;

/// A history has a number of 52 bits, as in Redis.
const HISTORY_SHIFT: u32 = 12;

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
    /// The number of the store's history.
    history: u64,
    /// What callers have seen of each sale: the store that forgets its sales does not forget this.
    seen: Mutex<HashMap<SaleId, Seen>>,
    events: broadcast::Sender<StoreEvent>,
}

/// What callers have seen of a sale.
#[derive(Clone, Debug)]
struct Seen {
    latest: TicketRef,
    /// The epochs of a sale that has had more than one.
    epochs: Option<Epochs>,
}

/// The sales of a store at a moment, to go back to.
#[derive(Debug, Default)]
pub struct Checkpoint(BTreeMap<SaleId, Sale>);

impl MemoryStore {
    /// An empty store that takes its time from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        Self::with_history(clock, RandomState::new().build_hasher().finish() >> HISTORY_SHIFT)
    }

    /// An empty store whose history has this number, below 2⁵².
    #[must_use]
    pub fn with_history(clock: Clock, history: u64) -> Arc<Self> {
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let shared = Shared { clock, sales: RwLock::default(), history, seen: Mutex::default(), events };
        Arc::new(Self { shared: Arc::new(shared) })
    }

    /// The present state, for [`Self::roll_back`].
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.shared.read().iter().map(|(id, sale)| (id.clone(), sale.lock().clone())).collect())
    }

    /// Forgets everything since `checkpoint`, as when older data is put back by hand.
    pub fn roll_back(&self, Checkpoint(sales): &Checkpoint) {
        *self.shared.write() =
            sales.iter().map(|(id, sale)| (id.clone(), Arc::new(Mutex::new(sale.clone())))).collect();
    }

    /// Begins another history, as a server does that is restarted or promoted.
    pub fn restart(&self) {
        for sale in self.shared.read().values() {
            sale.lock().disown();
        }
    }

    /// Runs one operation with exclusive access to its sale.
    fn on<T>(&self, id: &SaleId, operation: impl FnOnce(&mut Sale, Timestamp) -> T) -> Result<T, StoreError> {
        self.on_sale(id, None, &[], operation)
    }

    /// The same for an operation on `tickets`: the store must not be behind them.
    fn on_tickets<T>(
        &self,
        id: &SaleId,
        tickets: &[TicketRef],
        operation: impl FnOnce(&mut Sale, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        self.on_sale(id, None, tickets, operation)
    }

    /// The same for an operation on the queue: the store must also not be behind what callers have seen.
    fn on_queue<T>(
        &self,
        id: &SaleId,
        tickets: &[TicketRef],
        operation: impl FnOnce(&mut Sale, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        let seen = self.shared.seen.lock().get(id).map(|seen| seen.latest);
        self.on_sale(id, seen, tickets, operation)
    }

    fn on_sale<T>(
        &self,
        id: &SaleId,
        seen: Option<TicketRef>,
        tickets: &[TicketRef],
        operation: impl FnOnce(&mut Sale, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        let sale = self.shared.find(id)?;
        let mut sale = sale.lock();
        let now = self.shared.now();
        if self.shared.renew(id, &mut sale, seen, tickets, now) {
            self.shared.announce(id, sale.finish_operation());
        }
        let reply = operation(&mut sale, now);
        let announcements = sale.finish_operation();
        self.shared.see(id, &sale);
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

    /// Raises the sale's epoch if the history has changed, or if the store is behind what the caller shows. Returns whether.
    fn renew(
        &self,
        id: &SaleId,
        sale: &mut Sale,
        seen: Option<TicketRef>,
        tickets: &[TicketRef],
        now: Timestamp,
    ) -> bool {
        let is_behind = sale.is_behind(tickets) || seen.is_some_and(|seen| seen > sale.latest());
        if !is_behind && sale.has_history(self.history) {
            return false;
        }
        let known = self.seen.lock().get(id).cloned();
        let latest = known.as_ref().map_or(sale.latest(), |known| known.latest);
        let latest = tickets.iter().copied().fold(latest, Ord::max);
        let firsts = known.iter().flat_map(|known| &known.epochs).flat_map(Epochs::firsts);
        sale.renew(now, self.history, latest, firsts, RESTORE_WINDOW);
        true
    }

    /// Remembers what callers see of a sale by the present operation.
    fn see(&self, id: &SaleId, sale: &Sale) {
        let mut all = self.seen.lock();
        let latest = sale.latest();
        let seen = all.entry(id.clone()).or_insert(Seen { latest, epochs: None });
        seen.latest = seen.latest.max(latest);
        let known = seen.epochs.as_ref().map_or(0, Epochs::present);
        if sale.epochs().has_risen() && sale.epochs().present() > known {
            seen.epochs = Some(sale.epochs().clone());
        }
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

    /// The new sale; `None` if it exists.
    fn create(&self, id: &SaleId, settings: &SaleSettings) -> Option<SaleSnapshot> {
        let mut sales = self.write();
        if sales.contains_key(id) {
            return None;
        }
        let seen = self.seen.lock().get(id).map_or(0, |seen| seen.latest.epoch);
        let epoch = epoch_after(seen, self.now(), self.history);
        let mut sale = Sale::create(id.clone(), settings.clone(), epoch, self.now(), self.history);
        let snapshot = sale.snapshot(self.now());
        let announcements = sale.finish_operation();
        self.see(id, &sale);
        sales.insert(id.clone(), Arc::new(Mutex::new(sale)));
        drop(sales);
        self.announce(id, announcements);
        Some(snapshot)
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
        let tickets: Vec<TicketRef> = requests.iter().filter_map(|request| request.restores).collect();
        // Restored tickets come first: they are older.
        let decided = if tickets.is_empty() {
            Vec::new()
        } else {
            self.on_queue(sale, &tickets, |sale, now| sale.restore_all(now, requests))?
        };
        self.on_queue(sale, &[], |sale, now| sale.admit(now, requests, decided))
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: u64) -> Result<Vec<u32>, StoreError> {
        self.on(sale, |sale, _| sale.admitted_buyers(after))
    }

    async fn look_up(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<LookUpReply, StoreError> {
        check_batch_size(tickets.len())?;
        self.on_queue(sale, tickets, |sale, _| sale.look_up(tickets))?
    }

    async fn cancel(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<CancelResult>, StoreError> {
        check_batch_size(tickets.len())?;
        self.on_tickets(sale, tickets, |sale, _| sale.cancel_all(tickets))
    }

    async fn release(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<ReleaseResult>, StoreError> {
        check_batch_size(tickets.len())?;
        // Names of tickets are not signed: one that is ahead shows nothing about the store.
        self.on(sale, |sale, _| tickets.iter().map(|&ticket| sale.release(ticket)).collect())?
    }
}

#[async_trait]
impl WorkStore for MemoryStore {
    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        Ok(Shared::after(&self.shared.read(), after).take(limit).map(|(id, _)| id.clone()).collect())
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        check_batch_size(request.max)?;
        self.on_queue(sale, &[], |sale, now| sale.claim(now, request.max))
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
        self.on_queue(sale, &[], Sale::recover)
    }

    async fn reconcile(
        &self,
        sale: &SaleId,
        orders: &[KnownOrder],
        repair: bool,
    ) -> Result<Vec<Finding>, StoreError> {
        check_batch_size(orders.len())?;
        let compare = |tickets: &[TicketRef]| {
            self.on_queue(sale, tickets, |sale, now| {
                let findings = sale.reconcile(orders, repair);
                ahead::judge(orders, findings, sale.latest().seq, now)
            })
        };
        let findings = compare(&[])?;
        match ahead::latest(orders, &findings) {
            Some(ticket) if repair => Ok(ahead::repeated(findings, compare(&[ticket])?)),
            Some(_) | None => Ok(findings),
        }
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
            Precondition::Absent => match self.shared.create(sale, settings) {
                Some(created) => Ok(ConfigureResult::Done(created)),
                None => Ok(ConfigureResult::Conflict(self.on(sale, |sale, now| sale.snapshot(now)).ok())),
            },
            Precondition::Version(version) => {
                match self.on(sale, |sale, now| sale.configure(now, settings, version)) {
                    Err(StoreError::SaleNotFound(_)) => Ok(ConfigureResult::Conflict(None)),
                    reply => reply,
                }
            }
        }
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        let sales = self.shared.read();
        let ids: Vec<SaleId> = Shared::after(&sales, after).take(limit).map(|(id, _)| id.clone()).collect();
        drop(sales);
        // A sale that is deleted meanwhile is not listed.
        Ok(ids.iter().filter_map(|id| self.on(id, |sale, now| sale.snapshot(now)).ok()).collect())
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.on(sale, |sale, now| sale.close(now))
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        // As any other operation, it finds that the history has changed.
        let _ = self.on(sale, |_, _| ());
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
