//! Runs a sale from its creation to the checks.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use inrush_proto::v1::{Ledger, Sale};
use inrush_transport::{Endpoint, Error};
use tokio::{task::LocalSet, time::sleep};

use super::{
    buyer_thread,
    buyers::Part,
    checker::{Check, check},
    evidence::Evidence,
    quiescence::QuiescenceDetector,
    remaining::{Measures, Remaining},
    scenario::Scenario,
    shared::{Moment, Phase, ServerView, Shared},
};
use crate::{
    arrivals::Arrivals,
    host,
    inrush_process::Inrush,
    order_source::{self, OrderSource},
    order_system::{OrderRecords, OrderSystem},
    sale_client::{self, SaleClient},
    threads::Threads,
};

/// Interval at which the ledger is read.
const LEDGER_INTERVAL: Duration = Duration::from_millis(100);

/// Time limit of the final check after the close.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Default address of the simulation's own order system: any free port.
const ANY_PORT: &str = "127.0.0.1:0";

/// The sale to run, and its servers.
#[derive(Debug, Clone, Default)]
pub struct SaleOptions {
    /// What the sale is like.
    pub scenario: Scenario,
    /// A front; none: an Inrush is started for the run.
    pub host: Option<String>,
    /// The authorities to trust, in a file; naming it means TLS.
    pub authority: Option<PathBuf>,
    /// An existing sale; `None`: one is created for the run.
    pub sale: Option<String>,
    /// The id of the sale that is created; none: any.
    pub new_sale: Option<String>,
    /// Close the sale at the end, also one that existed before.
    pub close: bool,
    /// Where the simulation's own order system listens. `None`: the order system is external, unless an Inrush is started.
    pub orders_listen: Option<String>,
    /// Where the orders can be read, if the order system is external.
    pub order_source: Option<Arc<dyn OrderSource>>,
    /// The `inrush` binary.
    pub inrush: Option<PathBuf>,
    /// Connections to the front.
    pub connections: usize,
    /// Threads; `None`: one for each core.
    pub threads: Option<u32>,
}

/// The results of a sale.
#[derive(Debug)]
pub struct SaleRun {
    /// What it was like.
    pub scenario: Scenario,
    /// The front.
    pub server: String,
    /// The sale's id.
    pub sale: String,
    /// When it opened.
    pub opened: SystemTime,
    /// From the opening to the verdict.
    pub took: Duration,
    /// What was checked.
    pub checks: Vec<Check>,
    /// Its state over time.
    pub moments: Vec<Moment>,
    /// What all threads share: the counts.
    pub shared: Arc<Shared>,
    /// What was measured of buyers.
    pub measures: Measures,
    /// The sale's ledger at the end.
    pub ledger: Ledger,
    /// Units of orders that stand at the end: by the orders where the order system can be read, else by the ledger.
    pub ordered: u64,
    /// Nothing changed any more, and the sale was checked as it was.
    pub stuck: bool,
}

impl SaleRun {
    /// How many orders were made, those that were released later included, and how long it took: the time between two
    /// readings of the ledger in which there was none does not count.
    pub fn orders_made(&self) -> (u64, Duration) {
        let made = |moment: &Moment| moment.ordered / self.scenario.units_per_ticket.max(1) + moment.released;
        let steps = self.moments.windows(2).filter_map(|pair| match pair {
            [before, after] if made(after) > made(before) => {
                Some((made(after) - made(before), after.at_s - before.at_s))
            }
            _ => None,
        });
        let (orders, seconds) = steps.fold((0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        (orders, Duration::from_secs_f64(seconds.max(0.0)))
    }

    /// Whether all checks passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.faults == 0)
    }
}

/// The servers of a run.
struct Stage {
    // Dropped in this order: the front first.
    _inrush: Option<Inrush>,
    orders: Option<OrderSystem>,
    endpoint: Endpoint,
    server: String,
    /// Times in the order system's log are since then.
    since: Instant,
}

/// Runs a sale. `watch` is called about ten times a second. Once `interrupted` is true the sale is closed and checked
/// as it is.
///
/// # Errors
/// When a server cannot be reached or started, or rejects what the sale needs.
pub fn run(
    options: SaleOptions,
    interrupted: &AtomicBool,
    watch: &mut dyn FnMut(&Moment, &Shared),
) -> Result<SaleRun, Error> {
    let (scenario, arrivals) = options.scenario.clone().plan()?;
    let stage = Stage::set(&options, &scenario)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(format!("a runtime cannot be set up: {error}"), "close other programs, and try again")
    })?;
    let play = Play { options, scenario, arrivals, stage: &stage, interrupted, watch };
    let played = LocalSet::new().block_on(&runtime, play.play());
    // The buyers' connections are closed first: a draining front waits for its connections.
    drop(runtime);
    drop(stage);
    played
}

impl Stage {
    fn set(options: &SaleOptions, scenario: &Scenario) -> Result<Self, Error> {
        let since = Instant::now();
        let listen = match (&options.orders_listen, &options.host) {
            (Some(listen), _) => Some(listen.as_str()),
            (None, None) => Some(ANY_PORT),
            (None, Some(_)) => None,
        };
        let settings = scenario.order_system();
        let orders = listen.map(|listen| OrderSystem::start(listen, settings, since)).transpose()?;
        let (inrush, server) = match (&options.host, &orders) {
            (None, Some(orders)) => {
                let inrush = Inrush::start(options.inrush.as_deref(), orders.address())?;
                let front = inrush.front().to_owned();
                (Some(inrush), front)
            }
            (host, _) => (None, host.clone().unwrap_or_default()),
        };
        let endpoint = host::endpoint(&server, options.authority.as_ref())?;
        Ok(Self { _inrush: inrush, orders, endpoint, server, since })
    }
}

/// A sale that is being run.
struct Play<'a> {
    options: SaleOptions,
    scenario: Scenario,
    arrivals: Arrivals,
    stage: &'a Stage,
    interrupted: &'a AtomicBool,
    watch: &'a mut dyn FnMut(&Moment, &Shared),
}

impl Play<'_> {
    async fn play(mut self) -> Result<SaleRun, Error> {
        let fresh = self.options.sale.is_none();
        let id = self.options.sale.clone().or_else(|| self.options.new_sale.clone());
        let id = id.unwrap_or_else(|| sale_client::fresh_id("loadtest"));
        let client = SaleClient::open(&self.stage.endpoint, id.clone()).await?;
        let sale = self.open(&client, fresh).await?;
        let credit = u64::from(self.scenario.order_system().credit);
        let log = self.stage.orders.as_ref().map(|orders| Arc::clone(orders.log()));
        let shared = Arc::new(Shared::new(log, credit));
        let works =
            self.parts(&id, fresh, &shared).into_iter().map(|part| |start| buyer_thread::play(part, start));
        let threads = Threads::gather("buyers", works.collect())?;
        let opening = threads.open();
        let opened = SystemTime::now() + opening.saturating_duration_since(Instant::now());
        let scenario = self.scenario.clone();
        let mut detector = QuiescenceDetector::new(&scenario, &sale, &shared);
        let stuck = self.watch_until_rest(&client, &shared, &mut detector, opening).await?;
        let closed = fresh || self.options.close;
        if closed {
            client.close().await?;
        }
        let remaining = last_answers(threads, &shared).await?;
        let ledger = client.ledger().await?;
        let orders = self.orders(&id, opened, opening).await?;
        let (evidence, measures) = self.evidence(&sale, fresh, closed, remaining, ledger, &shared, orders);
        let run = SaleRun {
            server: self.stage.server.clone(),
            sale: id,
            opened,
            took: opening.elapsed(),
            checks: check(&evidence),
            moments: detector.into_moments(),
            scenario: self.scenario,
            shared,
            measures,
            ledger,
            ordered: ordered(&evidence, &ledger),
            stuck,
        };
        if run.passed() && fresh {
            client.delete().await?;
        }
        Ok(run)
    }

    async fn open(&self, client: &SaleClient, fresh: bool) -> Result<Sale, Error> {
        if !fresh {
            return client.sale().await;
        }
        let Scenario { units, units_per_ticket, .. } = self.scenario;
        client.create(units, self.scenario.effective_cap(), units_per_ticket).await
    }

    /// One part for each thread.
    fn parts(&self, sale: &str, fresh: bool, shared: &Arc<Shared>) -> Vec<Part> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.options.threads.unwrap_or_else(|| u32::try_from(cores).unwrap_or(1));
        let threads = threads.clamp(1, self.scenario.buyers.max(1));
        let per_thread = self.options.connections.div_ceil(usize::try_from(threads).unwrap_or(1)).max(1);
        let part = Part {
            scenario: Arc::new(self.scenario.clone()),
            arrivals: self.arrivals.clone(),
            endpoint: self.stage.endpoint.clone(),
            connections: per_thread,
            sale: sale.into(),
            fresh,
            closes: fresh || self.options.close,
            releases_itself: self.options.order_source.is_some(),
            thread: 0,
            threads,
            shared: Arc::clone(shared),
        };
        (0..threads).map(|thread| Part { thread, ..part.clone() }).collect()
    }

    /// Reads the ledger until every buyer has an answer and the sale is at rest or stuck. True: it is stuck.
    async fn watch_until_rest(
        &mut self,
        client: &SaleClient,
        shared: &Shared,
        detector: &mut QuiescenceDetector<'_>,
        opening: Instant,
    ) -> Result<bool, Error> {
        loop {
            sleep(LEDGER_INTERVAL).await;
            let view = self.server_view(client, shared).await?;
            let moment = detector.see(opening.elapsed(), &view, shared);
            (self.watch)(&moment, shared);
            let interrupted = self.interrupted.load(Ordering::Relaxed);
            if interrupted || detector.is_stuck() || detector.is_at_rest(shared) {
                return Ok(detector.is_stuck());
            }
        }
    }

    /// The state on the servers. The orders are not read during the rush, because that would slow it down.
    async fn server_view(&self, client: &SaleClient, shared: &Shared) -> Result<ServerView, Error> {
        let ledger = client.ledger().await?;
        let all_answered = shared.counters.answered.get() >= u64::from(self.scenario.buyers);
        let unsettled = match &self.options.order_source {
            Some(source) if all_answered => Some(source.unsettled().await?),
            Some(_) | None => None,
        };
        Ok(ServerView { ledger, unsettled })
    }

    /// What the order system saw and did, where that can be known.
    async fn orders(
        &self,
        sale: &str,
        opened: SystemTime,
        opening: Instant,
    ) -> Result<Option<OrderRecords>, Error> {
        if let Some(source) = &self.options.order_source {
            return Ok(Some(order_source::records(&source.orders(sale).await?, opened)));
        }
        let shift = opening.saturating_duration_since(self.stage.since);
        Ok(self.stage.orders.as_ref().map(|orders| orders.log().read().since(shift)))
    }

    #[expect(clippy::too_many_arguments, reason = "the evidence has many sources")]
    fn evidence(
        &self,
        sale: &Sale,
        fresh: bool,
        closed: bool,
        remaining: Remaining,
        ledger: Ledger,
        shared: &Shared,
        orders: Option<OrderRecords>,
    ) -> (Evidence, Measures) {
        let evidence = Evidence {
            // As requested, and not as the store has it.
            stock: if fresh { Some(self.scenario.units) } else { sale.stock },
            cap: if fresh { self.scenario.effective_cap() } else { sale.cap.unwrap_or(u64::MAX) },
            units_per_ticket: self.scenario.units_per_ticket,
            fresh,
            closed,
            tickets: remaining.tickets,
            unresolved: remaining.unresolved.into_iter().collect(),
            unanswered: shared.counters.arrived.get().saturating_sub(shared.counters.answered.get()),
            contradictions: remaining.contradictions,
            orders,
            ledger,
        };
        (evidence, remaining.measures)
    }
}

/// Units of orders that were not released.
fn ordered(evidence: &Evidence, ledger: &Ledger) -> u64 {
    match &evidence.orders {
        // Only an order system that releases orders itself knows which of them stand.
        Some(orders) if orders.may_reject => {
            orders.orders.iter().filter(|order| !order.released).map(|order| order.units).sum()
        }
        Some(_) | None => ledger.ordered.unwrap_or_default().units,
    }
}

/// Starts the final check, and waits until it has ended or its time is over.
async fn last_answers(threads: Threads<Remaining>, shared: &Shared) -> Result<Remaining, Error> {
    shared.enter(Phase::FinalCheck);
    let deadline = Instant::now() + LAST_ANSWERS;
    while Instant::now() < deadline && !threads.are_over() {
        sleep(LEDGER_INTERVAL).await;
    }
    shared.enter(Phase::Over);
    let all = threads.join()?.into_iter().reduce(Remaining::with);
    all.ok_or_else(|| Error::new("there were no buyers", "give --buyers"))
}
