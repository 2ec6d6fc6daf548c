use inrush_core::{Durability, Entry, SaleSettings, store::Precondition, time::Clock};
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

    /// Asks the store for `buyer`, and lets the gate learn.
    async fn ask(&self, buyer: &str) {
        let pending = self.gates.begin_update(&self.sale);
        let requests = [enqueue_request(buyer, 1)];
        let reply = self.store.admit(&self.sale, &requests).await.unwrap();
        self.gates.update(&self.sale, pending, &requests, &reply);
    }

    /// Asks until the gate has fetched everybody and shut.
    async fn shut(&self) {
        for _ in 0..100 {
            self.ask("curious").await;
            if self.answer("somebody").is_some() {
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
    AdmitRequest { entry, supersedes: None }
}

fn reply(gate: Gate, epoch: u64, last_seq: Seq, admissions: Vec<Admission>) -> AdmitReply {
    let durability = Durability::Memory;
    AdmitReply { epoch, last_seq, measured_pace: 0, durability, has_stock: true, gate, admissions }
}

const SOLD_OUT: GateDecision = GateDecision::Refused(Refusal::SoldOut);
const TOLD_SOLD_OUT: Admission = Admission::Refused(Refusal::SoldOut);

#[tokio::test]
async fn nobody_is_answered_before_everybody_in_line_is_known() {
    let bench = Bench::new().await;
    assert_eq!(bench.answer("bob"), None);
    bench.ask("bob").await;
    assert_eq!(bench.answer("bob"), None, "who is in line is not known yet");
    bench.shut().await;
    assert_eq!(bench.answer("bob"), Some(SOLD_OUT));
    assert_eq!(bench.answer("ada"), None, "ada is in line");
}

#[tokio::test]
async fn an_announcement_drops_the_answer_and_what_was_asked_before_it() {
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
async fn an_answer_lives_as_long_as_it_may_counted_from_the_question() {
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
async fn an_open_sale_opens_the_gate() {
    let bench = Bench::new().await;
    bench.shut().await;
    let open = reply(Gate::Open, 1, 1, vec![TOLD_SOLD_OUT]);
    bench.gates.update(
        &bench.sale,
        bench.gates.begin_update(&bench.sale),
        &[enqueue_request("bob", 5)],
        &open,
    );
    assert_eq!(bench.answer("bob"), None);
}

#[tokio::test]
async fn more_units_are_answered_only_once_the_store_has_answered_for_them() {
    let bench = Bench::new().await;
    bench.shut().await;
    let epoch = bench.store.sale(&bench.sale).await.unwrap().epoch;
    let answer = |units| bench.gates.decision(&bench.sale, &"bob".parse().unwrap(), units);
    assert_eq!((answer(1), answer(2)), (Some(SOLD_OUT), None));
    let limit = Admission::Refused(Refusal::UnitLimit { limit: 3 });
    let sold_out = reply(Gate::Refusing(Refusal::SoldOut), epoch, 1, vec![TOLD_SOLD_OUT, limit]);
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
async fn an_opening_time_ends_the_answer() {
    let bench = Bench::new().await;
    bench.shut().await;
    let epoch = bench.store.sale(&bench.sale).await.unwrap().epoch;
    let learn = |opens_at| {
        let closed = reply(Gate::Refusing(Refusal::NotOpen { opens_at }), epoch, 1, Vec::new());
        bench.gates.update(&bench.sale, bench.gates.begin_update(&bench.sale), &[], &closed);
    };
    learn(Timestamp::now().after(LIFETIME));
    assert!(bench.answer("bob").is_some());
    learn(Timestamp::now());
    assert_eq!(bench.answer("bob"), None);
}

#[tokio::test]
async fn gates_are_bounded_in_number_and_idle_ones_give_their_memory_back() {
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
    let kept = || gates.shards.iter().map(|shard| shard.gates.load().len()).sum::<usize>();
    assert!(answered == kept() && kept() <= most && kept() > most / 2, "{} of {most}", kept());
    for shard in &gates.shards {
        for gate in shard.gates.load().values() {
            gate.admitted().renewed = Instant::now().checked_sub(IDLE_TIMEOUT).unwrap();
        }
    }
    gates.evict_idle();
    assert_eq!(kept(), 0);
}

#[tokio::test]
async fn hashes_are_counted_while_they_are_kept() {
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
