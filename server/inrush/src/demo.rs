//! `inrush demo`: a whole flash sale through real gRPC, in one process, and the proof that it went right.
//!
//! Tens of times more buyers than units ask at once. Some ask twice, some cancel, some never pay; a standby line takes
//! what comes back, so that every unit is sold. Then the [`checker`] compares what buyers were told with what the order
//! database holds.

mod checker;
mod counters;
mod evidence;
mod follower;
mod plan;
mod progress;
mod report;
mod rush;
mod summary;

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow};
use inrush_client::{Client, ClientSettings, TicketState, proto};
use inrush_orders::{DatabaseUrl, OrderSettings, OrderState, OrderStore};
use inrush_store::fault_injection::{Fault, inject_fault};
use tokio::{sync::mpsc, time::sleep};

use self::{
    checker::check,
    counters::{Counters, Sample},
    evidence::{Evidence, OrderRecord},
    follower::Signals,
    plan::Plan,
    progress::Progress,
    rush::{Notes, Rush},
    summary::Summary,
};
use crate::{
    serve::{Embedded, open_store},
    settings::StoreSettings,
};

/// What the demo is asked to play.
#[derive(Clone, Debug)]
pub(crate) struct DemoOptions {
    /// How many buyers come.
    pub(crate) buyers: u32,
    /// How many units there are.
    pub(crate) stock: u32,
    /// Share of buyers who ask twice, 0 to 1.
    pub(crate) repeat_share: f64,
    /// Share of buyers who cancel once in line, 0 to 1.
    pub(crate) cancel_share: f64,
    /// Share of orders that are never paid, 0 to 1.
    pub(crate) unpaid_share: f64,
    /// Orders per second the order system can take; 0: as many as its database can.
    pub(crate) capacity: u32,
    /// How many buyers ask at the same time.
    pub(crate) at_once: u32,
    /// Decides who does what.
    pub(crate) seed: u64,
    /// Breaks the store on purpose.
    pub(crate) fault: Option<Fault>,
    /// Where to write the figures as JSON.
    pub(crate) json: Option<PathBuf>,
    /// Where to write the HTML report.
    pub(crate) report: Option<PathBuf>,
}

/// The standby line, as a part of the stock: it must outlast the cancelled and the unpaid.
const STANDBY: f64 = 0.25;

/// How long an unpaid order keeps its units. Short, because a demo should be.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the ledger is read while the sale runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A sale in which nothing has moved for so long is stuck, and judged as it is.
const STUCK_AFTER: Duration = Duration::from_secs(20);

/// How long the last tickets get to learn of the close.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Tickets that may be on their way from the rush to the follower.
const HANDOVER: usize = 65_536;

/// Plays a flash sale and judges it.
///
/// # Errors
/// When the run could not be carried through, or one of the four faults is not zero.
pub(crate) async fn run(options: DemoOptions, store: &StoreSettings) -> anyhow::Result<()> {
    let store_name = store.url.expose().split(':').next().unwrap_or_default();
    let mut opened = open_store(store).await?;
    opened.check().await.context("the demo needs a store that answers")?;
    if let Some(fault) = options.fault {
        opened = inject_fault(opened, fault);
    }
    let sale = fresh_sale_id();
    let folder = tempfile::tempdir().context("the order database needs a temporary folder")?;
    let database: DatabaseUrl = format!("sqlite:{}", folder.path().join("orders.db").display()).parse()?;
    let embedded = Embedded::start(opened, orders(&options, &sale, database)).await?;
    let outcome = tokio::select! {
        outcome = Demo::play(&options, sale, &embedded, store_name) => outcome,
        () = embedded.ending() => Err(anyhow!("interrupted before the sale was over")),
    };
    embedded.stop("the demo is over").await?;
    let (summary, timeline) = outcome?;
    println!("{summary}");
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&summary)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write the figures to {}", path.display()))?;
    }
    if let Some(path) = &options.report {
        report::write(path, &summary, &timeline)?;
    }
    summary.verdict().into_result()
}

/// A sale about to be played.
struct Demo<'a> {
    options: &'a DemoOptions,
    client: Client,
    sale: String,
    cap: u64,
    counters: Arc<Counters>,
}

/// How the sale came to rest.
struct Rest {
    timeline: Vec<Sample>,
    orders_took: Duration,
}

impl<'a> Demo<'a> {
    /// Opens the sale, lets everybody in at once, waits until it has come to rest, and judges it.
    async fn play(
        options: &'a DemoOptions,
        sale: String,
        embedded: &Embedded,
        store_name: &str,
    ) -> anyhow::Result<(Summary, Vec<Sample>)> {
        let client = Client::connect(ClientSettings::new(embedded.front_url())).await?;
        let cap = u64::from(options.stock) + standby(options.stock);
        let demo = Self { options, client, sale, cap, counters: Arc::default() };
        demo.open().await?;

        let started = Instant::now();
        let (handover, incoming) = mpsc::channel(HANDOVER);
        let signals = Signals::default();
        let follower = tokio::spawn(follower::follow(
            demo.client.clone(),
            incoming,
            signals.clone(),
            Arc::clone(&demo.counters),
        ));
        let rush = tokio::spawn(rush::run(demo.rush(started, handover)));
        let (notes, rest) = demo.watch(rush, embedded.order_store(), started).await?;
        demo.client.admin().close_sale(&demo.sale).await.context("cannot close the sale")?;
        signals.hurry.cancel();
        let patience = tokio::spawn(async move {
            sleep(LAST_ANSWERS).await;
            signals.give_up.cancel();
        });
        let endings = follower.await.context("following the tickets failed")?;
        patience.abort();
        let evidence = demo.evidence(&notes, endings, embedded.order_store()).await?;
        let summary = demo.summarise(&notes, &rest, &evidence, store_name, started.elapsed());
        if summary.passed() {
            demo.client.admin().delete_sale(&demo.sale).await.context("cannot delete the sale")?;
        }
        Ok((summary, rest.timeline))
    }

    /// Creates the sale, with a standby line.
    async fn open(&self) -> anyhow::Result<()> {
        let wanted = proto::Sale {
            sale_id: self.sale.clone(),
            stock: Some(u64::from(self.options.stock)),
            cap: Some(self.cap),
            ..Default::default()
        };
        self.client.admin().create_sale(wanted).await.context("cannot create the sale")?;
        Ok(())
    }

    fn rush(&self, started: Instant, follower: mpsc::Sender<follower::Followed>) -> Rush {
        let options = self.options;
        Rush {
            plan: Plan {
                seed: options.seed,
                buyers: options.buyers,
                repeat_share: options.repeat_share,
                cancel_share: options.cancel_share,
            },
            client: self.client.clone(),
            sale: self.sale.clone(),
            at_once: options.at_once,
            started,
            counters: Arc::clone(&self.counters),
            follower,
        }
    }

    /// Watches the ledger until everybody has asked and nothing moves any more, or cannot.
    async fn watch(
        &self,
        mut rush: tokio::task::JoinHandle<anyhow::Result<Notes>>,
        order_store: &OrderStore,
        started: Instant,
    ) -> anyhow::Result<(Notes, Rest)> {
        let stock = u64::from(self.options.stock);
        let mut progress = Progress::new(u64::from(self.options.buyers), self.cap, stock)?;
        let mut timeline = vec![Sample::default()];
        let mut notes = None;
        let mut moved = Moved::new();
        let mut orders_took = Duration::ZERO;
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                finished = &mut rush, if notes.is_none() => {
                    notes = Some(finished.context("the rush failed")??);
                }
            }
            let ledger = self.ledger().await?;
            let ordered = ledger.ordered.unwrap_or_default().units;
            let sample =
                self.counters.sample(started.elapsed(), ledger.waiting.unwrap_or_default().units, ordered);
            progress.show(&sample);
            timeline.push(sample);
            if moved.see(&ledger, self.counters.answered.get()) {
                orders_took = started.elapsed();
            }
            let unpaid = if notes.is_some() { order_store.pending().await? } else { 0 };
            let idle = ledger.in_flight.unwrap_or_default().tickets == 0 && unpaid == 0;
            let done = ordered >= stock || ledger.waiting.unwrap_or_default().tickets == 0;
            if let Some(notes) = notes.take_if(|_| (idle && done) || moved.stuck()) {
                progress.finish(&sample);
                return Ok((notes, Rest { timeline, orders_took }));
            }
            anyhow::ensure!(
                !moved.stuck(),
                "nothing has moved for {STUCK_AFTER:?}, and buyers are still without an answer"
            );
        }
    }

    async fn ledger(&self) -> anyhow::Result<proto::Ledger> {
        let sale = self.client.admin().get_sale(&self.sale).await.context("cannot read the sale")?;
        sale.ledger.context("the sale came without its ledger")
    }

    async fn evidence(
        &self,
        notes: &Notes,
        mut endings: HashMap<u64, TicketState>,
        order_store: &OrderStore,
    ) -> anyhow::Result<Evidence> {
        endings.extend(notes.cancelled.iter().map(|&seq| (seq, TicketState::Cancelled)));
        let orders = order_store.orders().await.context("cannot read the order database")?;
        let orders = orders.into_iter().filter(|order| order.sale_id == self.sale).map(|order| {
            Ok(OrderRecord {
                sequence: order.sequence,
                seq: order.seq,
                buyer: rush::buyer_of(&order.buyer_id)?,
                units: order.units,
                attempt: order.attempt,
                released: order.state == OrderState::Released,
            })
        });
        let mut orders = orders.collect::<anyhow::Result<Vec<_>>>()?;
        orders.sort_unstable_by_key(|order| order.sequence);
        // A ticket can be released after the buyer saw its order: the buyer's last word is then one state behind.
        for order in orders.iter().filter(|order| order.released) {
            endings.entry(order.seq).and_modify(|state| {
                if *state == TicketState::Ordered {
                    *state = TicketState::Released;
                }
            });
        }
        Ok(Evidence {
            stock: u64::from(self.options.stock),
            cap: self.cap,
            units_per_ticket: 1,
            acknowledgements: notes.acknowledgements.clone(),
            endings,
            orders,
            positions_rose: self.counters.positions_rose.get(),
        })
    }

    fn summarise(
        &self,
        notes: &Notes,
        rest: &Rest,
        evidence: &Evidence,
        store: &str,
        wall: Duration,
    ) -> Summary {
        let verdict = check(evidence);
        let ended = |wanted| evidence.endings.values().filter(|&&state| state == wanted).count() as u64;
        let standing = evidence.orders.iter().filter(|order| !order.released);
        let ordered: u64 = standing.map(|order| order.units).sum();
        let stock = u64::from(self.options.stock);
        let buyers = u64::from(self.options.buyers);
        Summary {
            store: store.to_owned(),
            buyers,
            stock,
            cap: self.cap,
            admitted: self.counters.queued.get(),
            ordered,
            refused: self.counters.refused.get(),
            cancelled: self.counters.cancelled.get(),
            released: ended(TicketState::Released),
            expired: ended(TicketState::Expired),
            repeated: self.counters.repeated.get(),
            polls: self.counters.polls.get(),
            unsold: stock.saturating_sub(ordered),
            oversold: verdict.oversold,
            lost: verdict.lost,
            duplicated: verdict.duplicated,
            out_of_order: verdict.out_of_order,
            enqueue_rps: rate(buyers, notes.took),
            orders_rps: rate(evidence.orders.len() as u64, rest.orders_took),
            enqueue_p50_ms: milliseconds(notes.latencies.value_at_quantile(0.5)),
            enqueue_p99_ms: milliseconds(notes.latencies.value_at_quantile(0.99)),
            wall_s: wall.as_secs_f64(),
        }
    }
}

/// Notices when the sale stands still.
struct Moved {
    seen: (proto::Ledger, u64),
    at: Instant,
}

impl Moved {
    fn new() -> Self {
        Self { seen: (proto::Ledger::default(), 0), at: Instant::now() }
    }

    /// Takes the ledger in. True: there are more orders than before.
    fn see(&mut self, ledger: &proto::Ledger, answered: u64) -> bool {
        let more_orders =
            ledger.ordered.unwrap_or_default().tickets > self.seen.0.ordered.unwrap_or_default().tickets;
        if self.seen != (*ledger, answered) {
            self.seen = (*ledger, answered);
            self.at = Instant::now();
        }
        more_orders
    }

    fn stuck(&self) -> bool {
        self.at.elapsed() > STUCK_AFTER
    }
}

/// The order system of the demo: it has the stock of its own, and some of its buyers never pay.
fn orders(options: &DemoOptions, sale: &str, database: DatabaseUrl) -> OrderSettings {
    OrderSettings {
        database,
        capacity: options.capacity,
        unpaid_share: options.unpaid_share,
        payment_timeout: PAYMENT_TIMEOUT,
        stock: [(sale.to_owned(), u64::from(options.stock))].into(),
        ..OrderSettings::default()
    }
}

/// Tickets beyond the stock that may wait.
fn standby(stock: u32) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quarter of 32 bits fits 64"
    )]
    let standby = (f64::from(stock) * STANDBY).ceil() as u64;
    standby
}

#[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(0.001)
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2⁵² µs")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

/// An id that no other run has.
fn fresh_sale_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("demo-{}-{:08x}", now.as_secs(), rand::random::<u32>())
}
