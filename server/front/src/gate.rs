//! The sold-out gate: what a node answers from memory while a sale takes nobody in.
//!
//! Most calls of a rush are refusals. Once the store has said that a sale refuses everybody (or sends everybody to the
//! normal purchase flow), the node repeats it to new buyers without asking, for a short lifetime. A buyer who is
//! in line already must get the ticket again, so the node remembers a hash of everybody who was ever taken in, and whoever
//! may be among them is asked about at the store. Until those hashes are complete, so is everybody.
//!
//! What is said here is never older than the lifetime. It is dropped earlier when the store announces a change, or
//! when this node itself makes one. A view from before an announcement is never taken over after it.
//!
//! All cores of a node share one `Gates`: reading takes no lock, and the hashes are kept once.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use inrush_core::{
    BuyerId, SaleId, Seq, Store, Timestamp,
    store::{Admission, AdmitReply, AdmitRequest, Gate, Refusal, StoreEvent},
};
use tokio::sync::broadcast;

mod buyers;

use self::buyers::Buyers;

/// Sales are spread over this many maps, so that a new gate copies only a small one.
const SHARDS: usize = 64;

/// Most gates in one shard; sales beyond are always asked about at the store.
const MAX_GATES_PER_SHARD: usize = 256;

/// Most buyers remembered by a node, over all sales: 128 MiB. Sales beyond are always asked about at the store.
const MAX_REMEMBERED: usize = 32 * 1024 * 1024;

/// A gate that nobody has renewed for this long gives its memory back.
const IDLE: Duration = Duration::from_secs(60);

/// What a buyer is told who is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not in line.
    Refused(Refusal),
    /// Use the normal purchase flow.
    Bypass,
}

impl Verdict {
    /// All reasons not to be taken in, by their names in telemetry.
    pub(crate) const REASONS: [&str; 6] = ["sold_out", "not_open", "closed", "held", "unit_limit", "bypass"];

    /// The place of its reason among [`Verdict::REASONS`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Refused(Refusal::SoldOut) => 0,
            Self::Refused(Refusal::NotOpen { .. }) => 1,
            Self::Refused(Refusal::Closed) => 2,
            Self::Refused(Refusal::Held) => 3,
            Self::Refused(Refusal::UnitLimit { .. }) => 4,
            Self::Bypass => 5,
        }
    }

    /// Its reason.
    pub(crate) fn reason(self) -> &'static str {
        Self::REASONS.get(self.index()).copied().unwrap_or_default()
    }
}

/// The gates of a node.
pub(crate) struct Gates {
    store: Arc<dyn Store>,
    lifetime: Duration,
    shards: [Shard; SHARDS],
    /// Hashes in memory, counted by themselves.
    remembered: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Shard {
    gates: ArcSwap<HashMap<SaleId, Arc<SaleGate>>>,
    /// Held while `gates` is replaced.
    replacing: Mutex<()>,
    /// Counts what was announced of the shard's sales.
    announcements: AtomicU64,
}

/// What a node knew when it asked the store.
#[derive(Clone, Copy)]
pub(crate) struct Heard {
    announcements: u64,
    at: Instant,
}

struct SaleGate {
    view: ArcSwapOption<View>,
    memory: Mutex<Memory>,
}

/// What holds for every buyer who is not among `buyers`.
struct View {
    verdict: Verdict,
    /// The most units for which the store gave this verdict; who wants more may be told of the unit limit instead.
    units: u64,
    valid_until: Instant,
    buyers: Arc<Buyers>,
}

struct Memory {
    epoch: u64,
    buyers: Arc<Buyers>,
    fetching: bool,
    renewed: Instant,
}

impl Gates {
    /// Gates whose answers live for `lifetime`. Hashes of buyers are fetched through `store`.
    pub(crate) fn new(store: Arc<dyn Store>, lifetime: Duration) -> Arc<Self> {
        let shards = std::array::from_fn(|_| Shard::default());
        Arc::new(Self { store, lifetime, shards, remembered: Arc::default() })
    }

    /// What the store would say to this buyer, if that is certain. None: ask the store.
    pub(crate) fn verdict(&self, sale: &SaleId, buyer: &BuyerId, units: u64) -> Option<Verdict> {
        let gates = self.shard(sale).gates.load();
        let view = gates.get(sale)?.view.load();
        let view = view.as_deref()?;
        if units > view.units || Instant::now() >= view.valid_until || has_opened(view.verdict) {
            return None;
        }
        (!view.buyers.contains(buyer.hash32())).then_some(view.verdict)
    }

    /// To be taken before a batch is sent, and given to [`Self::learn`] with its reply.
    pub(crate) fn heard(&self, sale: &SaleId) -> Heard {
        Heard { announcements: self.shard(sale).announcements.load(Ordering::SeqCst), at: Instant::now() }
    }

    /// Learns from the reply to a batch.
    pub(crate) fn learn(
        self: &Arc<Self>,
        sale: &SaleId,
        heard: Heard,
        requests: &[AdmitRequest],
        reply: &AdmitReply,
    ) {
        let verdict = match reply.gate {
            Gate::Open => return self.close_view(sale),
            Gate::Bypass => Verdict::Bypass,
            Gate::Refusing(refusal) => Verdict::Refused(refusal),
        };
        let Some(gate) = self.gate(sale, reply.epoch) else { return };
        let mut memory = gate.memory();
        memory.renewed = Instant::now();
        if memory.epoch != reply.epoch {
            (memory.epoch, memory.buyers) = (reply.epoch, Arc::default());
        }
        if memory.buyers.last_seq() < reply.last_seq {
            gate.view.store(None);
            self.fetch_buyers(sale, &gate, &mut memory, reply.last_seq);
        } else if self.shard(sale).announcements.load(Ordering::SeqCst) == heard.announcements {
            let units = units_judged(verdict, requests, reply).max(gate.units_known(verdict));
            let valid_until = heard.at + self.lifetime;
            let buyers = Arc::clone(&memory.buyers);
            gate.view.store(Some(Arc::new(View { verdict, units, valid_until, buyers })));
        }
    }

    /// Something about the sale's admission has changed, or may have.
    pub(crate) fn forget(&self, sale: &SaleId) {
        self.shard(sale).announcements.fetch_add(1, Ordering::SeqCst);
        self.close_view(sale);
    }

    /// Listens to the store's announcements and frees what is idle. Runs until it is dropped.
    pub(crate) async fn keep_current(&self) {
        tokio::join!(self.listen(), self.sweep());
    }

    async fn listen(&self) {
        let mut events = self.store.events();
        loop {
            match events.recv().await {
                Ok(StoreEvent::Admission(sale)) => self.forget(&sale),
                Ok(StoreEvent::Work(_)) => {}
                Ok(StoreEvent::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => self.forget_all(),
                // Nothing will be announced any more: the lifetime alone keeps the answers fresh.
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn sweep(&self) {
        let mut sweeps = tokio::time::interval(IDLE);
        loop {
            sweeps.tick().await;
            self.free_idle();
        }
    }

    fn forget_all(&self) {
        for shard in &self.shards {
            shard.announcements.fetch_add(1, Ordering::SeqCst);
            shard.gates.load().values().for_each(|gate| gate.close_view());
        }
    }

    fn close_view(&self, sale: &SaleId) {
        if let Some(gate) = self.shard(sale).gates.load().get(sale) {
            gate.close_view();
        }
    }

    /// The sale's gate, new if there is room for it.
    fn gate(&self, sale: &SaleId, epoch: u64) -> Option<Arc<SaleGate>> {
        let shard = self.shard(sale);
        if let Some(gate) = shard.gates.load().get(sale) {
            return Some(Arc::clone(gate));
        }
        let _replacing = lock(&shard.replacing);
        let mut gates = HashMap::clone(&shard.gates.load());
        if gates.len() >= MAX_GATES_PER_SHARD {
            return None;
        }
        let gate = Arc::clone(gates.entry(sale.clone()).or_insert_with(|| Arc::new(SaleGate::new(epoch))));
        shard.gates.store(Arc::new(gates));
        Some(gate)
    }

    /// Starts fetching the hashes up to `target`, unless that is going on. The next reply finds them.
    fn fetch_buyers(self: &Arc<Self>, sale: &SaleId, gate: &Arc<SaleGate>, memory: &mut Memory, target: Seq) {
        if memory.fetching {
            return;
        }
        memory.fetching = true;
        let (gates, sale) = (Arc::clone(self), sale.clone());
        // Ends also when its runtime does: then the flag must not stay.
        let fetching = Fetching(Arc::clone(gate));
        tokio::spawn(async move { gates.fetch_up_to(target, &sale, &fetching.0).await });
    }

    async fn fetch_up_to(&self, target: Seq, sale: &SaleId, gate: &SaleGate) {
        loop {
            let (epoch, known) = {
                let memory = gate.memory();
                (memory.epoch, Arc::clone(&memory.buyers))
            };
            if known.last_seq() >= target {
                return;
            }
            let hashes = match self.store.admitted_buyers(sale, known.last_seq()).await {
                Ok(hashes) if !hashes.is_empty() => hashes,
                Ok(_) => return,
                Err(error) => return tracing::debug!(%sale, "the sold-out gate stays open: {error}"),
            };
            if self.remembered.load(Ordering::SeqCst) + hashes.len() > MAX_REMEMBERED {
                return tracing::debug!(%sale, "the sold-out gate stays open: too many buyers to remember");
            }
            let more = Arc::new(known.with(hashes, &self.remembered));
            let mut memory = gate.memory();
            if memory.epoch != epoch {
                return;
            }
            memory.buyers = more;
        }
    }

    fn free_idle(&self) {
        for shard in &self.shards {
            let _replacing = lock(&shard.replacing);
            let mut gates = HashMap::clone(&shard.gates.load());
            gates.retain(|_, gate| gate.memory().renewed.elapsed() < IDLE);
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
        let memory = Memory { epoch, buyers: Arc::default(), fetching: false, renewed: Instant::now() };
        Self { view: ArcSwapOption::empty(), memory: Mutex::new(memory) }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Under the lock, so that a reply that is being learnt from right now is not believed after all.
    fn close_view(&self) {
        let _memory = self.memory();
        self.view.store(None);
    }

    /// The most units for which the present view gives this verdict already.
    fn units_known(&self, verdict: Verdict) -> u64 {
        let view = self.view.load();
        let present =
            view.as_deref().filter(|view| view.verdict == verdict && Instant::now() < view.valid_until);
        present.map_or(1, |view| view.units)
    }
}

/// Marks that a sale's hashes are being fetched, for as long as it lives.
struct Fetching(Arc<SaleGate>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.memory().fetching = false;
    }
}

/// By the node's own clock. Where that is behind the store's, buyers come in up to a lifetime later; where it is ahead, the
/// store is asked.
fn has_opened(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Refused(Refusal::NotOpen { opens_at }) if Timestamp::now() >= opens_at)
}

/// The most units for which a new buyer gets `verdict`. Being sold out comes after the unit limit, which a node does not
/// know: but whoever was told that the sale is sold out did not ask for too many.
fn units_judged(verdict: Verdict, requests: &[AdmitRequest], reply: &AdmitReply) -> u64 {
    if verdict != Verdict::Refused(Refusal::SoldOut) {
        return u64::MAX;
    }
    let sold_out = Admission::Refused(Refusal::SoldOut);
    let told = requests.iter().zip(&reply.admissions).filter(|(_, admission)| **admission == sold_out);
    told.map(|(request, _)| request.entry.units).max().unwrap_or(1)
}

/// No lock here is held over anything that can panic half way, so its poison says nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
