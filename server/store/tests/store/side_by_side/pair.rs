//! The memory store and Redis with one clock: carries every operation out on both and compares.

use std::{cell::Cell, collections::HashMap, fmt, sync::Arc, time::Duration};

use inrush_core::store::prelude::*;
use inrush_core::{
    entry::Entry,
    epochs::{Epochs, TicketRef},
    sale::{BuyerId, SaleId, SaleSettings},
    store::{
        Admission, AdmitRequest, ClaimRequest, KnownOrder, LeaseToken, MAX_BATCH, Outcome, Precondition,
        SettleResult, Settlement, Store, StoreError, StoreEvent,
    },
    ticket::Seq,
    time::{Clock, ManualClock},
};
use inrush_store::{
    conformance::START,
    memory::{Checkpoint, MemoryStore},
    redis::ScriptSources,
};
use tokio::{sync::broadcast, time::timeout};

use super::scenario::{
    Answer, Back, BuyerRequest, Change, Lease, LongLine, Operation, OrderFault, OrderOf, Restores, Scenario,
    Supersedes, Version,
};
use crate::{
    backend::{self, connect},
    redis_server::RedisServer,
};

/// An event that is not received within this time was not sent.
const EVENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A new store may not have subscribed yet: a mark that is not received within this time is announced again.
const MARK_INTERVAL: Duration = Duration::from_millis(50);

/// Two stores that must be the same.
pub(super) struct Pair<'a> {
    memory: Arc<MemoryStore>,
    redis: Arc<dyn Store>,
    server: &'a RedisServer,
    clock: ManualClock,
    name: String,
    scenarios: Cell<u64>,
    operations: Cell<u64>,
    marks: Cell<u64>,
}

/// A difference between memory and Redis, and its place in the scenario.
#[derive(Debug)]
pub(super) struct Difference {
    at: String,
    what: String,
    memory: String,
    redis: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what, memory, redis } = self;
        write!(f, "the {what} differs after {at}\n  memory: {memory}\n  redis:  {redis}")
    }
}

/// What a scenario has done so far, as far as later operations refer to it.
struct Progress {
    id: SaleId,
    settings: SaleSettings,
    last_seq: Seq,
    epochs: Epochs,
    /// Every buyer's latest ticket.
    tickets: HashMap<String, TicketRef>,
    /// All tickets that were given.
    given: Vec<TicketRef>,
    /// Whose they are, and for how many units.
    owners: HashMap<TicketRef, (BuyerId, u64)>,
    /// The sale at the last checkpoint, in memory.
    checkpoint: Option<Checkpoint>,
    live: Vec<LeaseToken>,
    over: Vec<LeaseToken>,
    at: String,
}

impl<'a> Pair<'a> {
    /// A pair whose Redis half runs these scripts; `name` keeps it apart from others on the same server.
    pub(super) async fn new(server: &'a RedisServer, scripts: ScriptSources, name: &str) -> Self {
        let clock = ManualClock::starting_at(START);
        let memory = MemoryStore::with_history(Clock::Manual(clock.clone()), history_of(server).await);
        let redis = connect(&server.url(), &clock, scripts).await;
        let pair = Self {
            memory,
            redis,
            server,
            clock,
            name: name.to_owned(),
            scenarios: Cell::new(0),
            operations: Cell::new(0),
            marks: Cell::new(0),
        };
        pair.wait_for_subscription().await;
        pair
    }

    /// Waits until events of Redis are received.
    async fn wait_for_subscription(&self) {
        let mut received = self.redis.events();
        loop {
            let mark = self.announce_mark().await;
            if timeout(MARK_INTERVAL, count_until(&mut received, &mark, &mark)).await.is_ok() {
                return;
            }
        }
    }

    /// Creates another sale in both stores: its announcement comes after all others.
    async fn announce_mark(&self) -> SaleId {
        self.marks.set(self.marks.get() + 1);
        let mark: SaleId = format!("{}-mark-{}", self.name, self.marks.get()).parse().unwrap();
        for store in [self.memory_store(), Arc::clone(&self.redis)] {
            store.configure(&mark, &SaleSettings::of_stock(1), Precondition::Absent).await.unwrap();
        }
        mark
    }

    fn memory_store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.memory) as Arc<dyn Store>
    }

    /// How many operations were compared.
    pub(super) fn operations(&self) -> u64 {
        self.operations.get()
    }

    /// Runs a scenario on a sale of its own.
    pub(super) async fn run(&self, scenario: &Scenario) -> Result<(), Difference> {
        let announced = [self.memory.events(), self.redis.events()];
        self.scenarios.set(self.scenarios.get() + 1);
        let id: SaleId = format!("{}-{}", self.name, self.scenarios.get()).parse().unwrap();
        let mut progress = Progress {
            id: id.clone(),
            settings: scenario.settings.clone(),
            last_seq: 0,
            epochs: Epochs::new(0),
            tickets: HashMap::new(),
            given: Vec::new(),
            owners: HashMap::new(),
            checkpoint: None,
            live: Vec::new(),
            over: Vec::new(),
            at: "its creation".to_owned(),
        };
        self.create(&progress).await?;
        if let Some(long_line) = scenario.long_line {
            self.make_long(&mut progress, long_line).await?;
        }
        for (number, operation) in scenario.operations.iter().enumerate() {
            progress.at = format!("operation {number}, {operation:?}");
            self.carry_out(&mut progress, operation).await?;
            if operation.may_write() {
                self.compare_snapshots(&mut progress).await?;
            }
        }
        progress.at = "the last operation".to_owned();
        self.look_at_everything(&progress).await?;
        self.compare_announcements(&progress, announced).await?;
        // Few sales keep checkpoints cheap, in memory and on the server.
        self.memory.roll_back(&Checkpoint::default());
        backend::delete(self.server, &format!("*{}", keys_of(&id))).await;
        Ok(())
    }

    /// Runs the same operation on both stores.
    async fn both<T>(
        &self,
        progress: &Progress,
        what: &str,
        ask: impl AsyncFn(Arc<dyn Store>) -> Result<T, StoreError>,
    ) -> Result<Result<T, StoreError>, Difference>
    where
        T: PartialEq + fmt::Debug,
    {
        self.operations.set(self.operations.get() + 1);
        let memory = ask(self.memory_store()).await;
        let redis = ask(Arc::clone(&self.redis)).await;
        if memory == redis { Ok(memory) } else { Err(difference(progress, what, &memory, &redis)) }
    }

    async fn create(&self, progress: &Progress) -> Result<(), Difference> {
        let (id, settings) = (&progress.id, &progress.settings);
        let ask = async |store: Arc<dyn Store>| store.configure(id, settings, Precondition::Absent).await;
        self.both(progress, "reply", ask).await.map(drop)
    }

    /// Issues tickets and has all but the last few ordered, whatever the pace.
    async fn make_long(
        &self,
        progress: &mut Progress,
        LongLine { tickets, left }: LongLine,
    ) -> Result<(), Difference> {
        let pace = progress.settings.pace.take();
        self.write_settings(progress, Version::Present).await?;
        let id = progress.id.clone();
        let all: Vec<AdmitRequest> =
            (1..=tickets).map(|number| request(&format!("early-{number}"), 1, None)).collect();
        for batch in all.chunks(MAX_BATCH) {
            self.both(progress, "reply", async |store| store.admit(&id, batch).await).await?.unwrap();
        }
        let mut to_claim = usize::try_from(tickets - left).unwrap();
        while to_claim > 0 {
            let max = to_claim.min(MAX_BATCH);
            let claim = self
                .both(progress, "reply", async |store| store.claim(&id, ClaimRequest { max }).await)
                .await?;
            let claim = claim.unwrap();
            to_claim -= claim.entries.len();
            let settlements: Vec<Settlement> = claim
                .entries
                .iter()
                .map(|entry| LeaseToken { seq: entry.seq, fence: claim.fence })
                .map(|lease_token| Settlement {
                    lease_token,
                    outcome: outcome_of(lease_token, Answer::Ordered),
                })
                .collect();
            self.both(progress, "reply", async |store| store.settle(&id, &settlements).await).await?.unwrap();
        }
        progress.settings.pace = pace;
        self.write_settings(progress, Version::Present).await?;
        self.compare_snapshots(progress).await
    }

    async fn carry_out(&self, progress: &mut Progress, operation: &Operation) -> Result<(), Difference> {
        let id = progress.id.clone();
        match operation {
            Operation::Advance { millis } => self.clock.advance(Duration::from_millis(*millis)),
            Operation::SetClockBack { millis } => self.clock.set_back(Duration::from_millis(*millis)),
            Operation::Admit(requests) => self.admit(progress, requests).await?,
            Operation::LookUp(tickets) => {
                let tickets = progress.refs(tickets);
                drop(self.both(progress, "reply", async |store| store.look_up(&id, &tickets).await).await?);
            }
            Operation::Cancel(tickets) => {
                let tickets = progress.refs(tickets);
                drop(self.both(progress, "reply", async |store| store.cancel(&id, &tickets).await).await?);
            }
            Operation::Claim { max } => {
                let request = ClaimRequest { max: *max };
                let claim =
                    self.both(progress, "reply", async |store| store.claim(&id, request).await).await?;
                for claim in claim.iter() {
                    progress.live.extend(
                        claim.entries.iter().map(|entry| LeaseToken { seq: entry.seq, fence: claim.fence }),
                    );
                }
            }
            Operation::Extend(leases) => {
                let leases: Vec<LeaseToken> =
                    leases.iter().map(|&lease| progress.lease_token(lease)).collect();
                drop(self.both(progress, "reply", async |store| store.extend(&id, &leases).await).await?);
            }
            Operation::Settle(answers) => self.settle(progress, answers).await?,
            Operation::Recover => {
                drop(self.both(progress, "reply", async |store| store.recover(&id).await).await?);
            }
            Operation::Release(tickets) => {
                let tickets = progress.refs(tickets);
                drop(self.both(progress, "reply", async |store| store.release(&id, &tickets).await).await?);
            }
            Operation::Reconcile { orders, repair } => {
                let orders: Vec<KnownOrder> =
                    orders.iter().map(|&order| progress.known_order(order)).collect();
                let ask = async |store: Arc<dyn Store>| store.reconcile(&id, &orders, *repair).await;
                drop(self.both(progress, "reply", ask).await?);
            }
            Operation::DeadLetters { after, limit } => {
                let after = progress.seq(*after);
                drop(
                    self.both(progress, "reply", async |store| store.dead_letters(&id, after, *limit).await)
                        .await?,
                );
            }
            Operation::Redrive(tickets) => {
                let seqs = progress.seqs(tickets);
                drop(self.both(progress, "reply", async |store| store.redrive(&id, &seqs).await).await?);
            }
            Operation::Discard(tickets) => {
                let seqs = progress.seqs(tickets);
                drop(self.both(progress, "reply", async |store| store.discard(&id, &seqs).await).await?);
            }
            Operation::Change { change, version } => self.change(progress, change, *version).await?,
            Operation::CreateAgain => self.create(progress).await?,
            Operation::Close => {
                drop(self.both(progress, "reply", async |store| store.close(&id).await).await?);
            }
            Operation::Delete => {
                drop(self.both(progress, "reply", async |store| store.delete(&id).await).await?);
            }
            Operation::ForgetScripts => self.server.command::<()>(&["SCRIPT", "FLUSH"]).await,
            Operation::Checkpoint => {
                progress.checkpoint = Some(self.memory.checkpoint());
                backend::checkpoint(self.server, &keys_of(&id)).await;
            }
            Operation::RollBack => {
                if let Some(checkpoint) = &progress.checkpoint {
                    self.memory.roll_back(checkpoint);
                    backend::roll_back(self.server, &keys_of(&id)).await;
                }
            }
            Operation::Restart => {
                self.memory.restart();
                backend::restart(self.server, &keys_of(&id)).await;
            }
            Operation::LookAtEverything => self.look_at_everything(progress).await?,
        }
        Ok(())
    }

    async fn admit(&self, progress: &mut Progress, requests: &[BuyerRequest]) -> Result<(), Difference> {
        let requests: Vec<AdmitRequest> = requests.iter().map(|request| progress.request(request)).collect();
        let id = progress.id.clone();
        let reply = self.both(progress, "reply", async |store| store.admit(&id, &requests).await).await?;
        for reply in reply.iter() {
            for (request, admission) in requests.iter().zip(&reply.admissions) {
                if let Admission::Queued { seq, .. }
                | Admission::Existing { seq }
                | Admission::Restored { seq } = admission
                {
                    let ticket = reply.epochs.ticket(*seq);
                    progress.tickets.insert(request.entry.buyer.as_str().to_owned(), ticket);
                    progress.given.push(ticket);
                    let (buyer, units) = (request.entry.buyer.clone(), request.entry.units);
                    progress.owners.entry(ticket).or_insert((buyer, units));
                }
            }
        }
        Ok(())
    }

    async fn settle(&self, progress: &mut Progress, answers: &[(Lease, Answer)]) -> Result<(), Difference> {
        let settlements: Vec<Settlement> = answers
            .iter()
            .map(|&(lease, answer)| {
                let lease_token = progress.lease_token(lease);
                Settlement { lease_token, outcome: outcome_of(lease_token, answer) }
            })
            .collect();
        let id = progress.id.clone();
        let reply = self.both(progress, "reply", async |store| store.settle(&id, &settlements).await).await?;
        for (settlement, settled) in settlements.iter().zip(reply.iter().flatten()) {
            if matches!(settled, SettleResult::Done(_)) {
                progress.live.retain(|lease_token| *lease_token != settlement.lease_token);
                progress.over.push(settlement.lease_token);
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        progress: &mut Progress,
        change: &Change,
        version: Version,
    ) -> Result<(), Difference> {
        change.apply(&mut progress.settings, self.clock.now().0);
        self.write_settings(progress, version).await?;
        if let Ok(sale) = self.memory.sale(&progress.id).await {
            progress.settings = sale.settings;
        }
        Ok(())
    }

    async fn write_settings(&self, progress: &Progress, version: Version) -> Result<(), Difference> {
        let version = match (version, self.memory.sale(&progress.id).await) {
            (Version::Wrong(version), _) => version,
            (Version::Present, Ok(sale)) => sale.version,
            (Version::Present, Err(_)) => 1,
        };
        let (id, settings) = (&progress.id, &progress.settings);
        let ask =
            async |store: Arc<dyn Store>| store.configure(id, settings, Precondition::Version(version)).await;
        self.both(progress, "reply", ask).await.map(drop)
    }

    /// The snapshot of the sale; its ledger must balance as well.
    async fn compare_snapshots(&self, progress: &mut Progress) -> Result<(), Difference> {
        let id = &progress.id;
        let empty = self.both(progress, "gate", async |store| store.admit(id, &[]).await).await?;
        progress.epochs = empty.map_or(Epochs::new(0), |reply| reply.epochs);
        let memory = self.memory.sale(id).await;
        let redis = self.redis.sale(id).await;
        if memory != redis {
            return Err(difference(progress, "snapshot", &memory, &redis));
        }
        progress.last_seq = 0;
        if let Ok(sale) = &memory {
            sale.check_ledger().unwrap();
            progress.last_seq = sale.last_seq;
        }
        Ok(())
    }

    /// The status of every ticket, the admitted buyers, the dead letters, and what a claim would return.
    async fn look_at_everything(&self, progress: &Progress) -> Result<(), Difference> {
        let id = &progress.id;
        let from = progress.last_seq.saturating_sub(MAX_BATCH as u64 - 3);
        let seqs = (from..progress.last_seq + 3).map(|seq| progress.ref_of(seq));
        let tickets: Vec<TicketRef> =
            seqs.chain(progress.given.iter().rev().take(100).copied()).take(MAX_BATCH).collect();
        let everything = async |store: Arc<dyn Store>| {
            Ok((
                store.look_up(id, &tickets).await?,
                store.admitted_buyers(id, progress.last_seq / 3).await?,
                store.dead_letters(id, 0, MAX_BATCH).await?,
                store.claim(id, ClaimRequest { max: 0 }).await?,
            ))
        };
        self.both(progress, "sale", everything).await.map(drop)
    }

    /// How often work and admission were announced over the whole scenario.
    async fn compare_announcements(
        &self,
        progress: &Progress,
        [mut memory, mut redis]: [broadcast::Receiver<StoreEvent>; 2],
    ) -> Result<(), Difference> {
        let mark = self.announce_mark().await;
        let memory = count_until(&mut memory, &mark, &progress.id).await;
        let redis = timeout(EVENT_TIMEOUT, count_until(&mut redis, &mark, &progress.id)).await;
        let redis = redis.expect("the mark is announced");
        if memory == redis {
            Ok(())
        } else {
            Err(difference(progress, "number of announcements", &memory, &redis))
        }
    }
}

impl Progress {
    /// No ticket has seq 0, and a short queue has none that is so far back.
    fn seq(&self, Back(back): Back) -> Seq {
        (self.last_seq + 2).saturating_sub(back)
    }

    /// The ticket with this seq; one of an epoch that never was if there is none.
    fn ref_of(&self, seq: Seq) -> TicketRef {
        if seq <= self.last_seq { self.epochs.ticket(seq) } else { TicketRef { epoch: 1, seq } }
    }

    fn refs(&self, tickets: &[Back]) -> Vec<TicketRef> {
        let given = |Back(back): Back| {
            let index = usize::try_from(back).unwrap() % self.given.len().max(1);
            self.given.iter().rev().nth(index).copied()
        };
        let ticket = |&back: &Back| match given(back) {
            Some(ticket) if back.0.is_multiple_of(3) => ticket,
            _ => self.ref_of(self.seq(back)),
        };
        tickets.iter().map(ticket).collect()
    }

    /// The order of a ticket, with the id that its last attempt was answered with, if there was one.
    fn known_order(&self, OrderOf { ticket, released, fault }: OrderOf) -> KnownOrder {
        let ticket = self.refs(&[ticket])[0];
        let fence = self.over.iter().find(|lease| lease.seq == ticket.seq).map_or(0, |lease| lease.fence);
        let owner = self.owners.get(&ticket).cloned();
        let (buyer, units) = owner.unwrap_or_else(|| (format!("early-{}", ticket.seq).parse().unwrap(), 1));
        let order =
            KnownOrder { ticket, buyer, units, order_id: format!("{}/{fence}", ticket.seq), released };
        match fault {
            OrderFault::Nothing => order,
            OrderFault::Buyer => KnownOrder { buyer: "another".parse().unwrap(), ..order },
            OrderFault::Units => KnownOrder { units: units + 1, ..order },
            OrderFault::Id => KnownOrder { order_id: "another".to_owned(), ..order },
            OrderFault::Ahead => {
                let ticket = TicketRef { epoch: self.epochs.present(), seq: self.last_seq + 1 };
                KnownOrder { ticket, ..order }
            }
        }
    }

    fn seqs(&self, tickets: &[Back]) -> Vec<Seq> {
        tickets.iter().map(|&back| self.seq(back)).collect()
    }

    /// The lease; one that never existed if there is no such lease.
    fn lease_token(&self, lease: Lease) -> LeaseToken {
        let back = |leases: &[LeaseToken], index: usize| {
            let at = leases.len().checked_sub(1).map(|last| last - index % leases.len());
            at.and_then(|at| leases.get(at).copied()).unwrap_or(LeaseToken { seq: 1, fence: 1 })
        };
        match lease {
            Lease::Live(index) => back(&self.live, index),
            Lease::Over(index) => back(&self.over, index),
            Lease::WrongFence(index, by) => {
                let lease_token = back(&self.live, index);
                LeaseToken { fence: lease_token.fence.saturating_add_signed(i64::from(by)), ..lease_token }
            }
        }
    }

    fn request(&self, BuyerRequest { buyer, units, supersedes, restores }: &BuyerRequest) -> AdmitRequest {
        let buyer = format!("buyer-{buyer}");
        let supersedes = match *supersedes {
            Supersedes::Nothing => None,
            Supersedes::Latest => self.tickets.get(&buyer).map(|ticket| ticket.seq),
            Supersedes::Other(back) => Some(self.seq(back)),
        };
        let restores = match *restores {
            Restores::Nothing => None,
            Restores::Latest => self.tickets.get(&buyer).copied(),
            Restores::Given(back) => self.given.iter().rev().nth(back).copied(),
        };
        AdmitRequest { restores, ..request(&buyer, *units, supersedes) }
    }
}

fn request(buyer: &str, units: u64, supersedes: Option<Seq>) -> AdmitRequest {
    let payload = buyer.as_bytes().to_vec();
    AdmitRequest {
        entry: Entry { buyer: buyer.parse().unwrap(), units, payload, trace: vec![1, 2] },
        supersedes,
        restores: None,
    }
}

/// The pattern of a sale's keys.
fn keys_of(id: &SaleId) -> String {
    format!("inrush:{{{id}}}:*")
}

/// The number of the server's history, as the scripts make it of its replication id.
async fn history_of(server: &RedisServer) -> u64 {
    let info: String = server.command(&["INFO", "replication"]).await;
    let id = info.lines().find_map(|line| line.strip_prefix("master_replid:")).unwrap();
    u64::from_str_radix(&id[..13], 16).unwrap()
}

fn outcome_of(lease_token: LeaseToken, answer: Answer) -> Outcome {
    let text = format!("{}/{}", lease_token.seq, lease_token.fence);
    match answer {
        Answer::Ordered => Outcome::Ordered { order_id: text },
        Answer::Rejected => Outcome::Rejected { reason: text },
        Answer::Retry { after_millis } => {
            Outcome::Retry { after: Duration::from_millis(after_millis), reason: text }
        }
    }
}

fn difference<T: fmt::Debug>(progress: &Progress, what: &str, memory: &T, redis: &T) -> Difference {
    Difference {
        at: progress.at.clone(),
        what: what.to_owned(),
        memory: format!("{memory:?}"),
        redis: format!("{redis:?}"),
    }
}

/// Announcements of work and of admission for `id`, up to the one for `mark`.
async fn count_until(events: &mut broadcast::Receiver<StoreEvent>, mark: &SaleId, id: &SaleId) -> (u32, u32) {
    let (mut work, mut admission) = (0, 0);
    loop {
        match events.recv().await.unwrap() {
            StoreEvent::Admission(announced) if announced == *mark => return (work, admission),
            StoreEvent::Admission(announced) if announced == *id => admission += 1,
            StoreEvent::Work(announced) if announced == *id => work += 1,
            // Other pairs use the same server.
            StoreEvent::Admission(_) | StoreEvent::Work(_) | StoreEvent::Missed => {}
        }
    }
}
