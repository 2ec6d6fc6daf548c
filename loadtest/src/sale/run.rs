//! Plays a sale from its creation to the verdict.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use inrush_proto::v1::{Ledger, Sale};
use tokio::{task::LocalSet, time::sleep};

use super::{
    checker::{Check, check},
    crowd::{self, Left, Part},
    evidence::Evidence,
    observed::Observed,
    office::Office,
    scenario::Scenario,
    shared::{Moment, Phase, Shared},
};
use crate::{
    measure::{Latencies, Results},
    problem::Problem,
    rig::{
        arrivals::Arrivals,
        host,
        inrush::Inrush,
        order_system::{OrderSystem, Written},
    },
    transport::Endpoint,
};

/// How often the ledger is read.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long the last tickets get to learn of the close.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Between the moment when all are connected and the opening, so that nobody is late for it.
const BEFORE_OPENING: Duration = Duration::from_millis(50);

/// Most moments that are kept; when there are more, every second one goes.
const MOST_MOMENTS: usize = 2_000;

/// Where our own order system listens, if nobody cares.
const ANY_PORT: &str = "127.0.0.1:0";

/// What to play, and where.
#[derive(Debug, Clone, Default)]
pub struct SaleOptions {
    /// What the sale is like.
    pub scenario: Scenario,
    /// A front; none: an Inrush is started for the run.
    pub host: Option<String>,
    /// The authorities to trust, in a file; naming it means TLS.
    pub authority: Option<PathBuf>,
    /// A sale that exists; none: one is made for the run.
    pub sale: Option<String>,
    /// Close the sale at the end, also one that existed before.
    pub close: bool,
    /// Where our own order system listens; none: the order system is somebody else's, unless the Inrush is ours.
    pub orders_listen: Option<String>,
    /// The `inrush` binary.
    pub inrush: Option<PathBuf>,
    /// Connections to the front.
    pub connections: usize,
    /// Threads; none: one for each core.
    pub threads: Option<u32>,
}

/// A sale that was played.
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
    /// How it went, moment by moment.
    pub moments: Vec<Moment>,
    /// What all threads share: the counts.
    pub shared: Arc<Shared>,
    /// Latencies of Enqueue.
    pub enqueues: Results,
    /// Latencies of PollStatus.
    pub polls: Results,
    /// Latencies of other calls.
    pub others: Results,
    /// From a buyer's arrival to its last answer.
    pub journeys: Latencies,
    /// Positions of some tickets over time: number, seconds, position.
    pub tracks: Vec<(u64, f64, u64)>,
    /// The sale's ledger at the end.
    pub ledger: Ledger,
    /// The sale stood still and was judged as it was.
    pub stuck: bool,
}

impl SaleRun {
    /// Whether the promise was kept.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.faults == 0)
    }
}

/// What is up for the time of a run.
struct Stage {
    // Dropped in this order: what is in front first.
    _inrush: Option<Inrush>,
    orders: Option<OrderSystem>,
    endpoint: Endpoint,
    server: String,
    /// Times in the order system's log are since then.
    since: Instant,
}

/// Plays a sale. `watch` sees how it goes, about ten times a second. Once `interrupted` is true the
/// sale is closed and judged as it is.
///
/// # Errors
/// When something is missing, or the servers do not do what they must for a sale to be played at all.
pub fn run(
    options: SaleOptions,
    interrupted: &AtomicBool,
    watch: &mut dyn FnMut(&Moment, &Shared),
) -> Result<SaleRun, Problem> {
    let (scenario, arrivals) = options.scenario.clone().plan()?;
    let stage = Stage::set(&options, &scenario)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Problem::new(format!("a runtime cannot be set up: {error}"), "close other programs, and try again")
    })?;
    let play = Play { options, scenario, arrivals, stage: &stage, interrupted, watch };
    let played = LocalSet::new().block_on(&runtime, play.play());
    // Our own connections end first: a front waits for those it serves before it leaves.
    drop(runtime);
    drop(stage);
    played
}

impl Stage {
    fn set(options: &SaleOptions, scenario: &Scenario) -> Result<Self, Problem> {
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

/// A sale about to be played.
struct Play<'a> {
    options: SaleOptions,
    scenario: Scenario,
    arrivals: Arrivals,
    stage: &'a Stage,
    interrupted: &'a AtomicBool,
    watch: &'a mut dyn FnMut(&Moment, &Shared),
}

/// How a sale came to rest.
struct Rest {
    moments: Vec<Moment>,
    stuck: bool,
}

impl Play<'_> {
    async fn play(mut self) -> Result<SaleRun, Problem> {
        let fresh = self.options.sale.is_none();
        let id = self.options.sale.clone().unwrap_or_else(fresh_id);
        let office = Office::open(&self.stage.endpoint, id.clone()).await?;
        let sale = self.open(&office, fresh).await?;
        let credit = u64::from(self.scenario.order_system().credit);
        let log = self.stage.orders.as_ref().map(|orders| Arc::clone(orders.log()));
        let shared = Arc::new(Shared::new(log, credit));
        let crowds = Crowds::gather(&self.parts(&id, fresh, &shared))?;
        let opened = SystemTime::now();
        let opening = crowds.let_in();
        let before = sale.ledger.unwrap_or_default();
        let rest = self.watch_until_rest(&office, &shared, &sale, &before, opening).await?;
        let closed = fresh || self.options.close;
        if closed {
            office.close().await?;
        }
        shared.enter(Phase::RollCall);
        let left = crowds.leave(&shared).await?;
        let ledger = office.ledger().await?;
        let evidence = self.evidence(&sale, fresh, closed, &left, ledger, &shared, opening);
        let checks = check(&evidence);
        let left = left.measures;
        let run = SaleRun {
            scenario: self.scenario,
            server: self.stage.server.clone(),
            sale: id,
            opened,
            took: opening.elapsed(),
            checks,
            moments: rest.moments,
            shared,
            enqueues: left.enqueues,
            polls: left.polls,
            others: left.others,
            journeys: left.journeys,
            tracks: left.tracks,
            ledger,
            stuck: rest.stuck,
        };
        if run.passed() && fresh {
            office.delete().await?;
        }
        Ok(run)
    }

    async fn open(&self, office: &Office, fresh: bool) -> Result<Sale, Problem> {
        if !fresh {
            return office.sale().await;
        }
        let Scenario { units, units_per_ticket, .. } = self.scenario;
        office.create(units, self.scenario.effective_cap(), units_per_ticket).await
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
            thread: 0,
            threads,
            shared: Arc::clone(shared),
        };
        (0..threads).map(|thread| Part { thread, ..part.clone() }).collect()
    }

    /// Reads the ledger until everybody has an answer and nothing moves any more, or cannot.
    async fn watch_until_rest(
        &mut self,
        office: &Office,
        shared: &Shared,
        sale: &Sale,
        before: &Ledger,
        opening: Instant,
    ) -> Result<Rest, Problem> {
        let mut moments = Moments::default();
        let mut moved = Moved::new();
        loop {
            sleep(LOOK_EVERY).await;
            let ledger = office.ledger().await?;
            let moment = shared.moment(opening.elapsed(), &ledger);
            (self.watch)(&moment, shared);
            moments.push(moment);
            moved.see(&ledger, shared);
            let stuck = moved.at.elapsed() > self.scenario.times.stuck_after;
            let over = stuck || self.interrupted.load(Ordering::Relaxed);
            if over || self.is_at_rest(shared, sale, before, &ledger) {
                return Ok(Rest { moments: moments.kept, stuck });
            }
        }
    }

    /// Everybody has an answer, every order is known to its buyer, and nothing more can be sold.
    fn is_at_rest(&self, shared: &Shared, sale: &Sale, before: &Ledger, ledger: &Ledger) -> bool {
        let counters = &shared.counters;
        let tickets = |count: Option<inrush_proto::v1::Count>| count.unwrap_or_default().tickets;
        let served = |ledger: &Ledger| tickets(ledger.ordered) + tickets(ledger.released);
        let ordered = ledger.ordered.unwrap_or_default().units;
        let left = sale.stock.map(|stock| stock.saturating_sub(ordered));
        let everybody_answered = counters.answered.get() >= u64::from(self.scenario.buyers);
        let nothing_to_sell = left.is_some_and(|left| left < self.scenario.units_per_ticket);
        everybody_answered
            && counters.released.get() >= counters.unpaid.get()
            && tickets(ledger.in_flight) == 0
            && (nothing_to_sell || tickets(ledger.waiting) == 0)
            && counters.learned.get() + counters.left.get() >= served(ledger).saturating_sub(served(before))
    }

    #[expect(clippy::too_many_arguments, reason = "it puts together what comes from everywhere")]
    fn evidence(
        &self,
        sale: &Sale,
        fresh: bool,
        closed: bool,
        left: &AllLeft,
        ledger: Ledger,
        shared: &Shared,
        opening: Instant,
    ) -> Evidence {
        let shift = opening.saturating_duration_since(self.stage.since);
        let orders = self.stage.orders.as_ref().map(|orders| shifted(orders.log().read(), shift));
        Evidence {
            // What was asked for, and not what the store made of it.
            stock: if fresh { Some(self.scenario.units) } else { sale.stock },
            cap: if fresh { self.scenario.effective_cap() } else { sale.cap.unwrap_or(u64::MAX) },
            units_per_ticket: self.scenario.units_per_ticket,
            fresh,
            closed,
            tickets: left.tickets.clone(),
            unresolved: left.unresolved.iter().copied().collect(),
            unanswered: shared.counters.arrived.get().saturating_sub(shared.counters.answered.get()),
            observed: left.observed.clone(),
            orders,
            ledger,
        }
    }
}

/// Times since the opening.
fn shifted(mut written: Written, shift: Duration) -> Written {
    written.deliveries.iter_mut().for_each(|delivery| delivery.at = delivery.at.saturating_sub(shift));
    written.orders.iter_mut().for_each(|order| order.at = order.at.saturating_sub(shift));
    written
}

/// The threads with their buyers, connected and waiting for the opening.
struct Crowds {
    opening: Vec<mpsc::SyncSender<Instant>>,
    threads: Vec<thread::JoinHandle<Result<Left, Problem>>>,
}

/// What all threads left behind.
struct AllLeft {
    tickets: Vec<super::ticket::Ticket>,
    unresolved: Vec<crate::rig::Buyer>,
    observed: Observed,
    measures: Measures,
}

struct Measures {
    enqueues: Results,
    polls: Results,
    others: Results,
    journeys: Latencies,
    tracks: Vec<(u64, f64, u64)>,
}

impl Crowds {
    fn gather(parts: &[Part]) -> Result<Self, Problem> {
        let (ready, all_ready) = mpsc::sync_channel(parts.len());
        let mut crowds = Self { opening: Vec::new(), threads: Vec::new() };
        for part in parts.iter().cloned() {
            let (open, opened) = mpsc::sync_channel(1);
            let ready = ready.clone();
            let name = format!("buyers {}", part.thread);
            let spawned = thread::Builder::new().name(name).spawn(move || {
                crowd::play(part, |connected| {
                    // The run is over if nobody waits for it.
                    let _ = ready.send(connected);
                    opened.recv().ok()
                })
            });
            crowds.threads.push(spawned.map_err(|error| {
                Problem::new(format!("a thread cannot be started: {error}"), "give fewer --cpus")
            })?);
            crowds.opening.push(open);
        }
        drop(ready);
        let connected = all_ready.iter().take(parts.len()).filter(|connected| *connected).count();
        if connected == parts.len() {
            return Ok(crowds);
        }
        // Those who wait learn that there will be no opening; those who failed say why.
        crowds.opening.clear();
        let mut problems = crowds.threads.into_iter().filter_map(|thread| thread.join().ok()?.err());
        let problem = problems.find(|problem| !problem.wrong().starts_with(crowd::OTHER_THREAD));
        Err(problem.unwrap_or_else(|| Problem::new("the buyers cannot connect", "see that the front is up")))
    }

    /// Opens the sale for them.
    fn let_in(&self) -> Instant {
        let opening = Instant::now() + BEFORE_OPENING;
        for thread in &self.opening {
            // One that has failed in the meantime is noticed when it is joined.
            let _ = thread.send(opening);
        }
        opening
    }

    /// Waits until all have taken the roll, or too long.
    async fn leave(self, shared: &Shared) -> Result<AllLeft, Problem> {
        let deadline = Instant::now() + LAST_ANSWERS;
        while Instant::now() < deadline && !self.threads.iter().all(thread::JoinHandle::is_finished) {
            sleep(LOOK_EVERY).await;
        }
        shared.enter(Phase::Over);
        let mut all: Option<AllLeft> = None;
        for thread in self.threads {
            let left = thread.join().map_err(|_| {
                Problem::new("a thread of buyers broke down", "this is a defect of the load tool: report it")
            })??;
            match &mut all {
                None => all = Some(AllLeft::from(left)),
                Some(all) => all.add(left),
            }
        }
        all.ok_or_else(|| Problem::new("there were no buyers", "give --buyers"))
    }
}

impl From<Left> for AllLeft {
    fn from(left: Left) -> Self {
        let Left { tickets, unresolved, observed, enqueues, polls, others, journeys, tracks } = left;
        let measures = Measures { enqueues, polls, others, journeys, tracks };
        Self { tickets, unresolved, observed, measures }
    }
}

impl AllLeft {
    fn add(&mut self, left: Left) {
        self.tickets.extend(left.tickets);
        self.unresolved.extend(left.unresolved);
        self.observed.merge(left.observed);
        let measures = &mut self.measures;
        measures.enqueues.merge(left.enqueues);
        measures.polls.merge(left.polls);
        measures.others.merge(left.others);
        measures.journeys.merge(&left.journeys);
        measures.tracks.extend(left.tracks);
    }
}

/// Moments, in bounded number.
#[derive(Default)]
struct Moments {
    kept: Vec<Moment>,
    seen: usize,
    every: usize,
}

impl Moments {
    fn push(&mut self, moment: Moment) {
        self.every = self.every.max(1);
        if self.seen.is_multiple_of(self.every) {
            self.kept.push(moment);
        }
        self.seen += 1;
        if self.kept.len() >= MOST_MOMENTS {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every *= 2;
        }
    }
}

/// Notices when the sale stands still.
struct Moved {
    seen: (Ledger, [u64; 4]),
    at: Instant,
}

impl Moved {
    fn new() -> Self {
        Self { seen: (Ledger::default(), [0; 4]), at: Instant::now() }
    }

    fn see(&mut self, ledger: &Ledger, shared: &Shared) {
        let counters = &shared.counters;
        let counts = [&counters.arrived, &counters.answered, &counters.learned, &counters.released]
            .map(|count| count.get());
        if self.seen != (*ledger, counts) {
            self.seen = (*ledger, counts);
            self.at = Instant::now();
        }
    }
}

/// An id that no other run has.
fn fresh_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("loadtest-{}-{:08x}", now.as_secs(), rand::random::<u32>())
}
