//! The sold-out gate: refusals from memory while a sale admits no buyers.
//!
//! Most calls of a rush are refusals. Once the store has refused every new buyer of a sale (or bypassed the queue), the
//! node repeats that decision to new buyers without the store, for a short lifetime. A buyer who is already queued must get
//! the ticket again, so the node caches a hash of every admitted buyer, and a buyer whose hash is cached is looked up
//! in the store. Until all hashes are loaded, every buyer is.
//!
//! A cached decision never outlives its lifetime. It is invalidated earlier when the store announces a change, or when this
//! node makes one. A decision from before an announcement is never cached after it.
//!
//! All cores of a node share one `Gates`: reads take no lock, and each hash is in memory once.

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
    BuyerId, SaleId, Store, Timestamp,
    store::{Admission, AdmitReply, AdmitRequest, Gate, Refusal, StoreEvent},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::broadcast;

use crate::gate_decision::GateDecision;

mod buyer_hashes;

use self::buyer_hashes::BuyerHashes;

/// Sales are spread over this many maps, so that a new gate copies only a small one.
const SHARDS: usize = 64;

/// Upper bound on the gates in one shard; further sales always go to the store.
const MAX_GATES_PER_SHARD: usize = 256;

/// Upper bound on the buyer hashes in memory of a node, over all sales: 128 MiB. Further sales always go to the store.
const MAX_HASHES: usize = 32 * 1024 * 1024;

/// A gate that was not renewed for this long is evicted.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The gates of a node.
pub(crate) struct Gates {
    store: Arc<dyn Store>,
    lifetime: Duration,
    shards: [Shard; SHARDS],
    /// Hashes in memory; each run of hashes adds and subtracts its own.
    hash_count: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Shard {
    gates: ArcSwap<HashMap<SaleId, Arc<SaleGate>>>,
    /// Held while `gates` is replaced.
    replace_lock: Mutex<()>,
    /// Announcements about the shard's sales so far.
    announcements: AtomicU64,
}

/// The state of a gate before a batch is sent, to detect a change before the reply arrives.
#[derive(Clone, Copy)]
pub(crate) struct PendingUpdate {
    announcements: u64,
    at: Instant,
}

struct SaleGate {
    cached: ArcSwapOption<CachedState>,
    admitted: Mutex<AdmittedSet>,
}

/// The decision for every buyer who is not among `buyers`.
struct CachedState {
    decision: GateDecision,
    /// The most units for which the store gave this decision; a request for more may get the unit limit instead.
    units: u64,
    valid_until: Instant,
    buyers: Arc<BuyerHashes>,
}

/// The admitted buyers of a sale, as far as they have been fetched.
struct AdmittedSet {
    epoch: u64,
    buyers: Arc<BuyerHashes>,
    fetching: bool,
    renewed: Instant,
}

impl Gates {
    /// Gates with decisions that are valid for `lifetime`. Hashes of buyers are fetched from `store`.
    pub(crate) fn new(store: Arc<dyn Store>, lifetime: Duration) -> Arc<Self> {
        let shards = std::array::from_fn(|_| Shard::default());
        Arc::new(Self { store, lifetime, shards, hash_count: Arc::default() })
    }

    /// The decision that the store would give this buyer, if it is certain. `None`: the store decides.
    pub(crate) fn decision(&self, sale: &SaleId, buyer: &BuyerId, units: u64) -> Option<GateDecision> {
        let gates = self.shard(sale).gates.load();
        let cached = gates.get(sale)?.cached.load();
        let cached = cached.as_deref()?;
        if units > cached.units || Instant::now() >= cached.valid_until || has_opened(cached.decision) {
            return None;
        }
        (!cached.buyers.contains(buyer.hash32())).then_some(cached.decision)
    }

    /// Called before a batch is sent; the result goes to [`Self::update`] with the reply.
    pub(crate) fn begin_update(&self, sale: &SaleId) -> PendingUpdate {
        PendingUpdate {
            announcements: self.shard(sale).announcements.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Caches or clears the decision by the reply to a batch.
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
        let epoch = reply.epochs.present();
        let Some(gate) = self.gate(sale, epoch) else { return };
        let mut admitted = gate.admitted();
        admitted.renewed = Instant::now();
        if admitted.epoch != epoch {
            (admitted.epoch, admitted.buyers) = (epoch, Arc::default());
        }
        if admitted.buyers.len() < reply.admitted {
            gate.cached.store(None);
            self.fetch_hashes(sale, &gate, &mut admitted, reply.admitted);
        } else if self.shard(sale).announcements.load(Ordering::SeqCst) == pending.announcements {
            let units = decided_units(decision, requests, reply).max(gate.cached_units(decision));
            let valid_until = pending.at + self.lifetime;
            let buyers = Arc::clone(&admitted.buyers);
            gate.cached.store(Some(Arc::new(CachedState { decision, units, valid_until, buyers })));
        }
    }

    /// Clears the decision, because the sale's admission has changed or may have.
    pub(crate) fn invalidate(&self, sale: &SaleId) {
        self.shard(sale).announcements.fetch_add(1, Ordering::SeqCst);
        self.clear_cached(sale);
    }

    /// Follows the store's announcements and evicts idle gates. Runs until it is dropped.
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
                // No more announcements: decisions expire by their lifetime alone.
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

    /// The gate of a sale, created unless the shard is full.
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

    /// Starts fetching the hashes up to `target` in the background, unless a fetch is running.
    fn fetch_hashes(
        self: &Arc<Self>,
        sale: &SaleId,
        gate: &Arc<SaleGate>,
        admitted: &mut AdmittedSet,
        target: u64,
    ) {
        if admitted.fetching {
            return;
        }
        admitted.fetching = true;
        let (gates, sale) = (Arc::clone(self), sale.clone());
        // The guard clears the flag even if the runtime shuts down first.
        let fetching = Fetching(Arc::clone(gate));
        tokio::spawn(async move { gates.fetch_up_to(target, &sale, &fetching.0).await });
    }

    async fn fetch_up_to(&self, target: u64, sale: &SaleId, gate: &SaleGate) {
        loop {
            let (epoch, known) = {
                let admitted = gate.admitted();
                (admitted.epoch, Arc::clone(&admitted.buyers))
            };
            if known.len() >= target {
                return;
            }
            let hashes = match self.store.admitted_buyers(sale, known.len()).await {
                Ok(hashes) if !hashes.is_empty() => hashes,
                Ok(_) => return,
                Err(error) => {
                    return tracing::debug!(%sale, %error, "cannot fetch buyer hashes; the gate stays open");
                }
            };
            if self.hash_count.load(Ordering::SeqCst) + hashes.len() > MAX_HASHES {
                return tracing::debug!(%sale, "too many buyer hashes in memory; the gate stays open");
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

    /// Takes the lock, so that an update in progress cannot cache its decision afterwards.
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

/// Marks a running fetch of a sale's hashes until it is dropped.
struct Fetching(Arc<SaleGate>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.admitted().fetching = false;
    }
}

/// By the node's own clock. If it is behind the store's, buyers are admitted up to a lifetime later; if it is ahead, the call
/// goes to the store.
fn has_opened(decision: GateDecision) -> bool {
    matches!(decision, GateDecision::Refused(Refusal::NotOpen { opens_at }) if Timestamp::now() >= opens_at)
}

/// The most units for which a new buyer gets `decision`. The store checks the unit limit before the
/// cap, and the node does not have the limit; but a request refused as sold out was within it.
fn decided_units(decision: GateDecision, requests: &[AdmitRequest], reply: &AdmitReply) -> u64 {
    if decision != GateDecision::Refused(Refusal::SoldOut) {
        return u64::MAX;
    }
    let sold_out = Admission::Refused(Refusal::SoldOut);
    let refused = requests.iter().zip(&reply.admissions).filter(|(_, admission)| **admission == sold_out);
    refused.map(|(request, _)| request.entry.units).max().unwrap_or(1)
}

#[cfg(test)]
mod tests;
