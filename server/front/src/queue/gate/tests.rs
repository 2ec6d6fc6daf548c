use inrush_core::{Durability, Entry, Epochs, SaleSettings, store::Precondition, time::Clock};
use inrush_store::memory::MemoryStore;

use super::*;

const LIFETIME: Duration = Duration::from_secs(3600);

/// A gate over a sale of one unit that "ada" has.
struct Bench {
    store: Arc<dyn Store>,
    gates: Arc<Gates>,
    sale: SaleId,
}

impl Bench {
    async fn new() -> Self {
        let store: Arc<dyn Store> = MemoryStore::new(Clock::Store);
        let sale: SaleId = "phone-x".parse().unwrap();
        store.configure(&sale, &SaleSettings::of_stock(1), Precondition::Absent).await.unwrap();
        store.admit(&sale, &[enqueue_request("ada", 1)]).await.unwrap();
        let gates = Gates::new(Arc::clone(&store), LIFETIME);
        Self { store, gates, sale }
    }

    /// Admits `buyer` at the store, and updates the gate.
    async fn ask(&self, buyer: &str) {
        let pending = self.gates.begin_update(&self.sale);
        let requests = [enqueue_request(buyer, 1)];
        let reply = self.store.admit(&self.sale, &requests).await.unwrap();
        self.gates.update(&self.sale, pending, &requests, &reply);
    }

    /// Enqueues until the gate has fetched all hashes and refuses.
    async fn shut(&self) {
        for _ in 0..100 {
            self.ask("curious").await;
            if self.answer("stranger").is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the gate never shuts");
    }

    fn answer(&self, buyer: &str) -> Option<GateDecision> {
        self.gates.decision(&self.sale, &buyer.parse().unwrap(), 1)
    }
}

fn enqueue_request(buyer: &str, units: u64) -> AdmitRequest {
    let entry = Entry { buyer: buyer.parse().unwrap(), units, payload: Vec::new(), trace: Vec::new() };
    AdmitRequest { entry, supersedes: None, restores: None }
}

fn reply(gate: Gate, epoch: u64, admitted: u64, admissions: Vec<Admission>) -> AdmitReply {
    let durability = Durability::Memory;
    let epochs = Epochs::new(epoch);
    AdmitReply { epochs, admitted, measured_pace: 0, durability, has_stock: true, gate, admissions }
}

const SOLD_OUT: GateDecision = GateDecision::Refused(Refusal::SoldOut);
const SOLD_OUT_REPLY: Admission = Admission::Refused(Refusal::SoldOut);

#[tokio::test]
async fn the_gate_answers_only_after_all_admitted_buyers_are_loaded() {
    let bench = Bench::new().await;
    assert_eq!(bench.answer("bob"), None);
    bench.ask("bob").await;
    assert_eq!(bench.answer("bob"), None, "the admitted buyers are not loaded yet");
    bench.shut().await;
    assert_eq!(bench.answer("bob"), Some(SOLD_OUT));
    assert_eq!(bench.answer("ada"), None, "ada is queued");
}

#[tokio::test]
async fn an_announcement_invalidates_the_state_and_pending_updates() {
    let bench = Bench::new().await;
    bench.shut().await;
    let pending = bench.gates.begin_update(&bench.sale);
    let requests = [enqueue_request("bob", 1)];
    let reply = bench.store.admit(&bench.sale, &requests).await.unwrap();
    bench.gates.invalidate(&bench.sale);
    assert_eq!(bench.answer("bob"), None);
    bench.gates.update(&bench.sale, pending, &requests, &reply);
    assert_eq!(bench.answer("bob"), None, "the reply is older than the announcement");
    bench.ask("bob").await;
    assert_eq!(bench.answer("bob"), Some(SOLD_OUT));
    bench.gates.invalidate_all();
    assert_eq!(bench.answer("bob"), None);
}

#[tokio::test]
async fn the_lifetime_counts_from_when_the_batch_was_sent() {
    let bench = Bench::new().await;
    bench.shut().await;
    let requests = [enqueue_request("bob", 1)];
    let reply = bench.store.admit(&bench.sale, &requests).await.unwrap();
    let pending = PendingUpdate {
        at: Instant::now().checked_sub(LIFETIME).unwrap(),
        ..bench.gates.begin_update(&bench.sale)
    };
    bench.gates.update(&bench.sale, pending, &requests, &reply);
    assert_eq!(bench.answer("bob"), None);
}

#[tokio::test]
async fn an_open_sale_clears_the_gate() {
    let bench = Bench::new().await;
    bench.shut().await;
    let open = reply(Gate::Open, 1, 1, vec![SOLD_OUT_REPLY]);
    bench.gates.update(
        &bench.sale,
        bench.gates.begin_update(&bench.sale),
        &[enqueue_request("bob", 5)],
        &open,
    );
    assert_eq!(bench.answer("bob"), None);
}

#[tokio::test]
async fn more_units_are_refused_only_after_the_store_has_refused_as_many() {
    let bench = Bench::new().await;
    bench.shut().await;
    let epoch = bench.store.sale(&bench.sale).await.unwrap().epoch;
    let answer = |units| bench.gates.decision(&bench.sale, &"bob".parse().unwrap(), units);
    assert_eq!((answer(1), answer(2)), (Some(SOLD_OUT), None));
    let limit = Admission::Refused(Refusal::UnitLimit { limit: 3 });
    let sold_out = reply(Gate::Refusing(Refusal::SoldOut), epoch, 1, vec![SOLD_OUT_REPLY, limit]);
    bench.gates.update(
        &bench.sale,
        bench.gates.begin_update(&bench.sale),
        &[enqueue_request("bob", 3), enqueue_request("carl", 4)],
        &sold_out,
    );
    assert_eq!((answer(3), answer(4)), (Some(SOLD_OUT), None));
    bench.ask("bob").await;
    assert_eq!(answer(3), Some(SOLD_OUT), "what was learnt a moment ago is not lost");
}

#[tokio::test]
async fn a_not_open_decision_expires_at_the_open_time() {
    let bench = Bench::new().await;
    bench.shut().await;
    let epoch = bench.store.sale(&bench.sale).await.unwrap().epoch;
    let update = |opens_at| {
        let closed = reply(Gate::Refusing(Refusal::NotOpen { opens_at }), epoch, 1, Vec::new());
        bench.gates.update(&bench.sale, bench.gates.begin_update(&bench.sale), &[], &closed);
    };
    update(Timestamp::now().after(LIFETIME));
    assert!(bench.answer("bob").is_some());
    update(Timestamp::now());
    assert_eq!(bench.answer("bob"), None);
}

#[tokio::test]
async fn gates_are_bounded_and_idle_ones_are_evicted() {
    let store: Arc<dyn Store> = MemoryStore::new(Clock::Store);
    let gates = Gates::new(store, LIFETIME);
    let empty = reply(Gate::Refusing(Refusal::Held), 1, 0, Vec::new());
    let most = SHARDS * MAX_GATES_PER_SHARD;
    let mut answered = 0;
    for number in 0..2 * most {
        let sale: SaleId = format!("sale-{number}").parse().unwrap();
        gates.update(&sale, gates.begin_update(&sale), &[], &empty);
        answered += usize::from(gates.decision(&sale, &"bob".parse().unwrap(), 1).is_some());
    }
    let gate_count = || gates.shards.iter().map(|shard| shard.gates.load().len()).sum::<usize>();
    assert!(
        answered == gate_count() && gate_count() <= most && gate_count() > most / 2,
        "{} of {most}",
        gate_count()
    );
    for shard in &gates.shards {
        for gate in shard.gates.load().values() {
            gate.admitted().renewed = Instant::now().checked_sub(IDLE_TIMEOUT).unwrap();
        }
    }
    gates.evict_idle();
    assert_eq!(gate_count(), 0);
}

#[tokio::test]
async fn the_hash_count_follows_what_is_in_memory() {
    let bench = Bench::new().await;
    bench.shut().await;
    assert_eq!(bench.gates.hash_count.load(Ordering::SeqCst), 1);
    for shard in &bench.gates.shards {
        shard
            .gates
            .load()
            .values()
            .for_each(|gate| gate.admitted().renewed = Instant::now().checked_sub(IDLE_TIMEOUT).unwrap());
    }
    bench.gates.evict_idle();
    assert_eq!(bench.gates.hash_count.load(Ordering::SeqCst), 0);
}
