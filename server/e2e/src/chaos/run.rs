//! One run: a sale with faults from its start to the check of its history.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use inrush_client::{Client, proto};
use inrush_orders::{OrderState, OrderStore};
use inrush_simulation::history::{History, Level, Order, SaleFacts, TicketName, Violation, check};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    buyers::{Crowd, Holder, Phase},
    injector::Injector,
    plan::Plan,
    recorder::Recorder,
    store::Store,
    unchanged::Unchanged,
    world::{PAYMENT_TIMEOUT, World},
};

/// How long the queue may take to drain when everything is right again, on a machine that is busy.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A ledger that does not change for so long has come to rest. Releases of unpaid orders are over then.
const STILL: Duration = Duration::from_millis(1_000);

const POLL: Duration = Duration::from_millis(100);

/// Attempts of a ticket: so many that faults do not make it dead.
const MAX_ATTEMPTS: u32 = 100;

/// Leases are short, so that a run sees them expire.
const LEASE_MILLIS: i32 = 800;

/// What came of a run.
pub struct RunResult {
    /// The plan.
    pub plan: Plan,
    /// The history.
    pub history: History,
    /// What the check of the history found.
    pub violations: Vec<Violation>,
    /// What went wrong beside that: processes that ended, panics, a queue that did not drain.
    pub failures: Vec<String>,
    /// Buyers with a ticket.
    pub acknowledged: u64,
    /// Lost tickets that were restored.
    pub restored: u64,
    /// From the end of all faults until a buyer was answered.
    pub recovered_after: Option<Duration>,
    /// From the end of all faults until the sale had come to rest.
    pub drained_after: Option<Duration>,
    /// The whole run.
    pub took: Duration,
    /// The logs of all processes, if something is wrong.
    pub logs: String,
}

impl RunResult {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.failures.is_empty()
    }
}

/// Runs a plan on a store that has nothing in it.
///
/// # Errors
/// If the harness could not go on: no statement about Inrush.
pub async fn run(plan: Plan, store: &mut Store) -> anyhow::Result<RunResult> {
    let started = Instant::now();
    store.set_level(plan.level).await?;
    let mut world = World::start(&plan, store).await?;
    let (phases, phase) = watch::channel(Phase::Faults);
    let recorder = Arc::new(Recorder::default());
    let sale = format!("chaos-{}", plan.seed);
    let crowd = Arc::new(Crowd {
        plan: plan.clone(),
        sale: sale.clone(),
        client: world.client()?,
        raw: world.raw_client()?,
        recorder: Arc::clone(&recorder),
        phase,
    });
    create_sale(&crowd).await?;
    let mut buyers = JoinSet::new();
    for number in 0..plan.buyers {
        buyers.spawn(Arc::clone(&crowd).play(number));
    }
    let ledgers = tokio::spawn(read_ledgers(Arc::clone(&crowd)));
    let mut failures = Injector::new(&plan, &sale, &mut world, store, &recorder).run().await?;
    recorder.all_losses_end();
    let healed = Instant::now();
    phases.send_replace(Phase::Healed);
    let (recovered_after, probe) = probe(&crowd, healed).await;
    let mut holders = come_to_rest(&crowd, &mut buyers, &phases, &mut failures).await;
    holders.extend(probe);
    let drained_after = failures.is_empty().then(|| healed.elapsed());
    ledgers.abort();
    failures.extend(world.supervise());
    let rest_from = recorder.now();
    for held in &holders {
        crowd.poll_at_rest(held).await;
    }
    read_ledger(&crowd).await;
    let orders = orders(&world, &recorder).await?;
    failures.extend(world.panics());
    let history = history(&crowd, orders, rest_from);
    let violations = check(&history);
    let logs = if violations.is_empty() && failures.is_empty() { String::new() } else { world.logs() };
    Ok(RunResult {
        plan,
        history,
        violations,
        failures,
        acknowledged: recorder.acknowledged(),
        restored: recorder.restored(),
        recovered_after,
        drained_after,
        took: started.elapsed(),
        logs,
    })
}

async fn create_sale(crowd: &Crowd) -> anyhow::Result<()> {
    let plan = &crowd.plan;
    let durability = match plan.level {
        Level::Memory => proto::Durability::Memory,
        Level::Fsync => proto::Durability::Fsync,
        Level::Replicated => proto::Durability::Replicated,
    };
    let sale = proto::Sale {
        sale_id: crowd.sale.clone(),
        stock: Some(plan.stock),
        cap: Some(plan.cap),
        unit_limit: plan.unit_limit,
        max_attempts: MAX_ATTEMPTS,
        lease_duration: Some(prost_types::Duration { seconds: 0, nanos: LEASE_MILLIS * 1_000_000 }),
        durability: durability.into(),
        ..Default::default()
    };
    let started = Instant::now();
    loop {
        match crowd.client.admin().create_sale(sale.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > DRAIN_TIMEOUT => {
                return Err(error).context("creating the sale");
            }
            Err(_) => sleep(POLL).await,
        }
    }
}

/// How long after the end of all faults a buyer is answered, and the ticket that this buyer has.
async fn probe(crowd: &Crowd, healed: Instant) -> (Option<Duration>, Option<Holder>) {
    for number in 0.. {
        if let Ok(held) = crowd.probe(number).await {
            return (Some(healed.elapsed()), held);
        }
        if healed.elapsed() > DRAIN_TIMEOUT {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    (None, None)
}

/// Waits until all buyers are done. Tickets for which the stock has no units expire when the sale is closed.
async fn come_to_rest(
    crowd: &Crowd,
    buyers: &mut JoinSet<Vec<Holder>>,
    phases: &watch::Sender<Phase>,
    failures: &mut Vec<String>,
) -> Vec<Holder> {
    let mut holders = Vec::new();
    let started = Instant::now();
    let mut progress = Unchanged::default();
    while !buyers.is_empty() {
        if let Ok(Some(holder)) = timeout(POLL, buyers.join_next()).await {
            holders.extend(holder.into_iter().flatten());
            continue;
        }
        let ledger = read_ledger(crowd).await;
        let is_stuck = ledger.as_ref().is_some_and(|now| is_stuck(&crowd.plan, now));
        if progress.see(ledger) > STILL + still_unpaid(&crowd.plan) && is_stuck {
            // It is repeated if it fails.
            let _ = crowd.client.admin().close_sale(&crowd.sale).await;
        }
        if started.elapsed() > DRAIN_TIMEOUT && *phases.borrow() != Phase::Over {
            failures.push(format!(
                "{} buyers wait {DRAIN_TIMEOUT:?} after the last fault: {ledger:?}",
                buyers.len()
            ));
            phases.send_replace(Phase::Over);
        }
    }
    wait_until_still(crowd, failures).await;
    holders
}

/// Waits until nothing is in flight and the ledger has not changed for a while.
async fn wait_until_still(crowd: &Crowd, failures: &mut Vec<String>) {
    let started = Instant::now();
    let (mut progress, mut last) = (Unchanged::default(), None);
    while started.elapsed() < DRAIN_TIMEOUT {
        last = read_ledger(crowd).await;
        let is_idle = last.as_ref().is_some_and(|now| {
            now.in_flight.unwrap_or_default().tickets == 0
                && (now.waiting.unwrap_or_default().tickets == 0 || is_stuck(&crowd.plan, now))
        });
        if progress.see(last) > still_unpaid(&crowd.plan) && is_idle {
            return;
        }
        sleep(POLL).await;
    }
    failures.push(format!("the sale does not come to rest: {last:?}"));
}

/// Unpaid orders are released later.
fn still_unpaid(plan: &Plan) -> Duration {
    if plan.unpaid_share > 0.0 { 2 * PAYMENT_TIMEOUT } else { Duration::ZERO }
}

/// Whether tickets wait for units that the stock does not have.
fn is_stuck(plan: &Plan, ledger: &proto::Ledger) -> bool {
    let units = |count: Option<proto::Count>| count.unwrap_or_default().units;
    let committed = units(ledger.ordered) + units(ledger.dead);
    units(ledger.waiting) > 0 && units(ledger.in_flight) == 0 && committed + plan.unit_limit > plan.stock
}

async fn read_ledgers(crowd: Arc<Crowd>) {
    loop {
        read_ledger(&crowd).await;
        sleep(POLL).await;
    }
}

async fn read_ledger(crowd: &Crowd) -> Option<proto::Ledger> {
    let client: &Client = &crowd.raw;
    let ledger = client.admin().get_sale(&crowd.sale).await.ok()?.ledger?;
    crowd.recorder.ledger(crowd.plan.cap, Some(crowd.plan.stock), &ledger);
    Some(ledger)
}

async fn orders(world: &World, recorder: &Recorder) -> anyhow::Result<Vec<Order>> {
    let store = OrderStore::open(&world.database().parse()?).await?;
    let orders = store.orders().await?;
    store.close().await;
    let orders = orders.into_iter().map(|order| Order {
        id: order.order_id,
        ticket: TicketName::parse(&order.ticket_id).unwrap_or_default(),
        buyer: order.buyer_id,
        units: order.units,
        created_at: recorder.at(order.created_at),
        released_at: (order.state == OrderState::Released)
            .then(|| recorder.at(order.released_at.unwrap_or(order.created_at))),
    });
    Ok(orders.collect())
}

fn history(crowd: &Crowd, orders: Vec<Order>, rest_from: u64) -> History {
    let (plan, seen) = (&crowd.plan, crowd.recorder.seen());
    History {
        origin: format!("make chaos SETUP={} SEED={}", plan.setup.name(), plan.seed),
        sale: SaleFacts {
            id: crowd.sale.clone(),
            stock: Some(plan.stock),
            cap: plan.cap,
            unit_limit: plan.unit_limit,
            durability: plan.level,
            all_polled_at_rest: true,
            reclaim_bound: None,
        },
        calls: seen.calls,
        orders,
        readings: seen.readings,
        losses: seen.losses,
        faults: seen.faults,
        rest_from: Some(rest_from),
        ..History::default()
    }
}
