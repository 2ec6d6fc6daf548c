//! The sold-out gate: what a node answers from memory while a sale takes nobody in.
//!
//! Most calls of a rush are refusals. Once the store has said that a sale refuses everybody (or sends everybody to the
//! normal purchase flow), the node repeats it to new buyers without asking, for a short lifetime. A buyer who is
//! in line already must get the ticket again, so the node remembers a hash of everybody who was ever taken in, and whoever
//! may be among them is asked about at the store. Until those hashes are complete, so is everybody.
//!
//! What is said here is never older than the lifetime. It is dropped earlier when the store announces a change, or
//! when this node itself makes one. A cached from before an announcement is never taken over after it.
//!
//! All cores of a node share one `Gates`: reading takes no lock, and the hashes are kept once.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use inrush_core::{
    BuyerId, SaleId, Seq, Store, Timestamp,
    store::{Admission, AdmitReply, AdmitRequest, Gate, Refusal, StoreEvent},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::broadcast;

use crate::gate_decision::GateDecision;

mod buyer_hashes;

use self::buyer_hashes::BuyerHashes;

/// Sales are spread over this many maps, so that a new gate copies only a small one.
const SHARDS: usize = 64;

/// Most gates in one shard; sales beyond are always asked about at the store.
const MAX_GATES_PER_SHARD: usize = 256;

/// Most buyers hash_count by a node, over all sales: 128 MiB. Sales beyond are always asked about at the store.
const MAX_HASHES: usize = 32 * 1024 * 1024;

/// A gate that nobody has renewed for this long gives its memory back.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The gates of a node.
pub(crate) struct Gates {
    store: Arc<dyn Store>,
    lifetime: Duration,
    shards: [Shard; SHARDS],
    /// Hashes in admitted, counted by themselves.
    hash_count: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Shard {
    gates: ArcSwap<HashMap<SaleId, Arc<SaleGate>>>,
    /// Held while `gates` is replaced.
    replace_lock: Mutex<()>,
    /// Counts what was announced of the shard's sales.
    announcements: AtomicU64,
}

/// What a node knew when it asked the store.
#[derive(Clone, Copy)]
pub(crate) struct PendingUpdate {
    announcements: u64,
    at: Instant,
}

struct SaleGate {
    cached: ArcSwapOption<CachedState>,
    admitted: Mutex<AdmittedSet>,
}

/// What holds for every buyer who is not among `buyers`.
struct CachedState {
    decision: GateDecision,
    /// The most units for which the store gave this decision; who wants more may be told of the unit limit instead.
    units: u64,
    valid_until: Instant,
    buyers: Arc<BuyerHashes>,
}

struct AdmittedSet {
    epoch: u64,
    buyers: Arc<BuyerHashes>,
    fetching: bool,
    renewed: Instant,
}

impl Gates {
    /// Gates whose answers live for `lifetime`. Hashes of buyers are fetched through `store`.
    pub(crate) fn new(store: Arc<dyn Store>, lifetime: Duration) -> Arc<Self> {
        let shards = std::array::from_fn(|_| Shard::default());
        Arc::new(Self { store, lifetime, shards, hash_count: Arc::default() })
    }

    /// What the store would say to this buyer, if that is certain. None: ask the store.
    pub(crate) fn decision(&self, sale: &SaleId, buyer: &BuyerId, units: u64) -> Option<GateDecision> {
        let gates = self.shard(sale).gates.load();
        let cached = gates.get(sale)?.cached.load();
        let cached = cached.as_deref()?;
        if units > cached.units || Instant::now() >= cached.valid_until || has_opened(cached.decision) {
            return None;
        }
        (!cached.buyers.contains(buyer.hash32())).then_some(cached.decision)
    }

    /// To be taken before a batch is sent, and given to [`Self::update`] with its reply.
    pub(crate) fn begin_update(&self, sale: &SaleId) -> PendingUpdate {
        PendingUpdate {
            announcements: self.shard(sale).announcements.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Learns from the reply to a batch.
    pub(crate) fn update(
        self: &Arc<Self>,
        sale: &SaleId,
        pending: PendingUpdate,
        requests: &[AdmitRequest],
        reply: &AdmitReply,
    ) {
        let decision = match reply.gate {
            Gate::Open => return self.clear_cached(sale),
            Gate::Bypass => GateDecision::Bypass,
            Gate::Refusing(refusal) => GateDecision::Refused(refusal),
        };
        let Some(gate) = self.gate(sale, reply.epoch) else { return };
        let mut admitted = gate.admitted();
        admitted.renewed = Instant::now();
        if admitted.epoch != reply.epoch {
            (admitted.epoch, admitted.buyers) = (reply.epoch, Arc::default());
        }
        if admitted.buyers.last_seq() < reply.last_seq {
            gate.cached.store(None);
            self.fetch_hashes(sale, &gate, &mut admitted, reply.last_seq);
        } else if self.shard(sale).announcements.load(Ordering::SeqCst) == pending.announcements {
            let units = decided_units(decision, requests, reply).max(gate.cached_units(decision));
            let valid_until = pending.at + self.lifetime;
            let buyers = Arc::clone(&admitted.buyers);
            gate.cached.store(Some(Arc::new(CachedState { decision, units, valid_until, buyers })));
        }
    }

    /// Something about the sale's admission has changed, or may have.
    pub(crate) fn invalidate(&self, sale: &SaleId) {
        self.shard(sale).announcements.fetch_add(1, Ordering::SeqCst);
        self.clear_cached(sale);
    }

    /// Listens to the store's announcements and frees what is idle. Runs until it is dropped.
    pub(crate) async fn maintain(&self) {
        tokio::join!(self.follow_events(), self.evict_periodically());
    }

    async fn follow_events(&self) {
        let mut events = self.store.events();
        loop {
            match events.recv().await {
                Ok(StoreEvent::Admission(sale)) => self.invalidate(&sale),
                Ok(StoreEvent::Work(_)) => {}
                Ok(StoreEvent::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => self.invalidate_all(),
                // Nothing will be announced any more: the lifetime alone keeps the answers fresh.
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn evict_periodically(&self) {
        let mut sweeps = tokio::time::interval(IDLE_TIMEOUT);
        loop {
            sweeps.tick().await;
            self.evict_idle();
        }
    }

    fn invalidate_all(&self) {
        for shard in &self.shards {
            shard.announcements.fetch_add(1, Ordering::SeqCst);
            shard.gates.load().values().for_each(|gate| gate.clear_cached());
        }
    }

    fn clear_cached(&self, sale: &SaleId) {
        if let Some(gate) = self.shard(sale).gates.load().get(sale) {
            gate.clear_cached();
        }
    }

    /// The sale's gate, new if there is room for it.
    fn gate(&self, sale: &SaleId, epoch: u64) -> Option<Arc<SaleGate>> {
        let shard = self.shard(sale);
        if let Some(gate) = shard.gates.load().get(sale) {
            return Some(Arc::clone(gate));
        }
        let _replacing = shard.replace_lock.lock();
        let mut gates = HashMap::clone(&shard.gates.load());
        if gates.len() >= MAX_GATES_PER_SHARD {
            return None;
        }
        let gate = Arc::clone(gates.entry(sale.clone()).or_insert_with(|| Arc::new(SaleGate::new(epoch))));
        shard.gates.store(Arc::new(gates));
        Some(gate)
    }

    /// Starts fetching the hashes up to `target`, unless that is going on. The next reply finds them.
    fn fetch_hashes(
        self: &Arc<Self>,
        sale: &SaleId,
        gate: &Arc<SaleGate>,
        admitted: &mut AdmittedSet,
        target: Seq,
    ) {
        if admitted.fetching {
            return;
        }
        admitted.fetching = true;
        let (gates, sale) = (Arc::clone(self), sale.clone());
        // Ends also when its runtime does: then the flag must not stay.
        let fetching = Fetching(Arc::clone(gate));
        tokio::spawn(async move { gates.fetch_up_to(target, &sale, &fetching.0).await });
    }

    async fn fetch_up_to(&self, target: Seq, sale: &SaleId, gate: &SaleGate) {
        loop {
            let (epoch, known) = {
                let admitted = gate.admitted();
                (admitted.epoch, Arc::clone(&admitted.buyers))
            };
            if known.last_seq() >= target {
                return;
            }
            let hashes = match self.store.admitted_buyers(sale, known.last_seq()).await {
                Ok(hashes) if !hashes.is_empty() => hashes,
                Ok(_) => return,
                Err(error) => return tracing::debug!(%sale, "the sold-out gate stays open: {error}"),
            };
            if self.hash_count.load(Ordering::SeqCst) + hashes.len() > MAX_HASHES {
                return tracing::debug!(%sale, "the sold-out gate stays open: too many buyers to remember");
            }
            let more = Arc::new(known.with(hashes, &self.hash_count));
            let mut admitted = gate.admitted();
            if admitted.epoch != epoch {
                return;
            }
            admitted.buyers = more;
        }
    }

    fn evict_idle(&self) {
        for shard in &self.shards {
            let _replacing = shard.replace_lock.lock();
            let mut gates = HashMap::clone(&shard.gates.load());
            gates.retain(|_, gate| gate.admitted().renewed.elapsed() < IDLE_TIMEOUT);
            shard.gates.store(Arc::new(gates));
        }
    }

    fn shard(&self, sale: &SaleId) -> &Shard {
        let mut hasher = DefaultHasher::new();
        sale.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        &self.shards[index]
    }
}

impl SaleGate {
    fn new(epoch: u64) -> Self {
        let admitted =
            AdmittedSet { epoch, buyers: Arc::default(), fetching: false, renewed: Instant::now() };
        Self { cached: ArcSwapOption::empty(), admitted: Mutex::new(admitted) }
    }

    fn admitted(&self) -> MutexGuard<'_, AdmittedSet> {
        self.admitted.lock()
    }

    /// Under the lock, so that a reply that is being learnt from right now is not believed after all.
    fn clear_cached(&self) {
        let _admitted = self.admitted();
        self.cached.store(None);
    }

    /// The most units for which the cached state gives this decision already.
    fn cached_units(&self, decision: GateDecision) -> u64 {
        let cached = self.cached.load();
        let present = cached
            .as_deref()
            .filter(|cached| cached.decision == decision && Instant::now() < cached.valid_until);
        present.map_or(1, |cached| cached.units)
    }
}

/// Marks that a sale's hashes are being fetched, for as long as it lives.
struct Fetching(Arc<SaleGate>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.admitted().fetching = false;
    }
}

/// By the node's own clock. Where that is behind the store's, buyers come in up to a lifetime later; where it is ahead, the
/// store is asked.
fn has_opened(decision: GateDecision) -> bool {
    matches!(decision, GateDecision::Refused(Refusal::NotOpen { opens_at }) if Timestamp::now() >= opens_at)
}

/// The most units for which a new buyer gets `decision`. Being sold out comes after the unit limit, which a node does not
/// know: but whoever was told that the sale is sold out did not ask for too many.
fn decided_units(decision: GateDecision, requests: &[AdmitRequest], reply: &AdmitReply) -> u64 {
    if decision != GateDecision::Refused(Refusal::SoldOut) {
        return u64::MAX;
    }
    let sold_out = Admission::Refused(Refusal::SoldOut);
    let told = requests.iter().zip(&reply.admissions).filter(|(_, admission)| **admission == sold_out);
    told.map(|(request, _)| request.entry.units).max().unwrap_or(1)
}

#[cfg(test)]
mod tests;
