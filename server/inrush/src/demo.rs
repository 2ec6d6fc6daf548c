//! `inrush demo`: all services in this process, and a whole flash sale through real gRPC that proves them right.
//!
//! The crate `inrush-simulation` plays the sale and judges it. What belongs to this process is here: the
//! services, the [`order_database`] as evidence, the [`progress`] and the [`results`].

mod order_database;
mod progress;
mod results;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use inrush_orders::{DatabaseUrl, OrderSettings};
use inrush_simulation::{
    sale::{
        self, SaleOptions, SaleRun,
        scenario::{ArrivalsTable, CurveName, Scenario, Shares, Times},
        summary,
    },
    sale_client::fresh_id,
};
use inrush_store::fault_injection::{Fault, inject_fault};
use tokio::sync::oneshot;

use self::{order_database::OrderDatabase, progress::Progress, results::DemoResults};
use crate::{
    error,
    output::Output,
    serve::{Embedded, open_store},
    settings::StoreSettings,
};

/// The options of the demo.
#[derive(Clone, Debug)]
pub(crate) struct DemoOptions {
    /// Number of buyers.
    pub(crate) buyers: u32,
    /// Units for sale.
    pub(crate) stock: u32,
    /// Fraction of buyers that repeat their Enqueue, 0 to 1.
    pub(crate) repeat_share: f64,
    /// Fraction of buyers that cancel their ticket, 0 to 1.
    pub(crate) cancel_share: f64,
    /// Fraction of orders that are never paid, 0 to 1.
    pub(crate) unpaid_share: f64,
    /// Maximum rate of orders per second; 0: no limit but the database.
    pub(crate) capacity: u32,
    /// Number of concurrent buyers.
    pub(crate) at_once: u32,
    /// Seed of the buyers' random behaviour.
    pub(crate) seed: u64,
    /// The fault to inject into the store.
    pub(crate) fault: Option<Fault>,
    /// Path of the results as JSON.
    pub(crate) json: Option<PathBuf>,
    /// Path of the HTML report.
    pub(crate) report: Option<PathBuf>,
}

/// The standby queue as a fraction of the stock: larger than the cancelled tickets and the unpaid orders.
const STANDBY: f64 = 0.25;

/// How long an unpaid order keeps its units: short, so that the demo is short.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// Number of connections from buyers to the front.
const CONNECTIONS: usize = 8;

/// Runs a flash sale and checks its result.
///
/// # Errors
/// If the run failed, or a check found faults.
pub(crate) async fn run(options: DemoOptions, store: &StoreSettings) -> anyhow::Result<()> {
    let store_name = store.url.expose().split(':').next().unwrap_or_default();
    let mut opened = open_store(store).await?;
    opened.check().await.context("the demo needs a store that answers")?;
    if let Some(fault) = options.fault {
        opened = inject_fault(opened, fault);
    }
    check_writable("results", options.json.as_deref())?;
    check_writable("report", options.report.as_deref())?;
    let sale = fresh_id("demo");
    let folder = tempfile::tempdir().context("the order database needs a temporary folder")?;
    let database: DatabaseUrl = format!("sqlite:{}", folder.path().join("orders.db").display()).parse()?;
    let embedded = Embedded::start(opened, orders(&options, &sale, database)).await?;
    let played = tokio::select! {
        played = play(sale_options(&options, sale, &embedded)) => played,
        () = embedded.ending() => Err(anyhow!("interrupted before the end of the sale")),
    };
    embedded.stop("the demo is over").await?;
    show(&played?, &options, store_name)
}

/// Runs the simulation on its own thread: it blocks, and it has its own threads and runtimes for buyers.
async fn play(options: SaleOptions) -> anyhow::Result<SaleRun> {
    let scenario = options.scenario.clone();
    let mut progress = Progress::new(&scenario)?;
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name("simulation".to_owned()).spawn(move || {
        let interrupted = AtomicBool::new(false);
        let played = sale::run(options, &interrupted, &mut |moment, _| progress.show(&scenario, moment));
        progress.finish();
        // The receiver was dropped if the demo was interrupted.
        let _ = sender.send(played);
    })?;
    Ok(receiver.await.context("the simulation failed")??)
}

/// Prints the table, and writes the files of `--json` and `--report`.
fn show(run: &SaleRun, options: &DemoOptions, store: &str) -> anyhow::Result<()> {
    let printed = Output::new(false).line(&summary::text(run));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&DemoResults::new(run, store))? + "\n";
        write("results", path, |to| to.write_all(text.as_bytes()))?;
    }
    if let Some(path) = &options.report {
        write("report", path, |to| sale::page(run, to))?;
    }
    anyhow::ensure!(run.passed(), "the sale failed its checks: see the checks that are not 0");
    Ok(printed?)
}

/// Creates a file, or keeps the one that exists, so that an invalid path is found before the sale.
fn check_writable(what: &str, path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|error| {
        error::usage(
            format!("cannot write the {what} to {}: {error}", path.display()),
            "name a file in an existing, writable folder",
        )
    })
}

/// Writes a file, and prints its path.
fn write(
    what: &str,
    path: &Path,
    content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the {what} to {}", path.display());
    let mut bytes = Vec::new();
    content(&mut bytes).with_context(cannot)?;
    fs::write(path, bytes).with_context(cannot)?;
    // A closed standard error does not stop the run.
    let _ = writeln!(io::stderr(), "{what} written to {}", path.display());
    Ok(())
}

/// A sale with a standby queue, whose buyers all enqueue at its start.
fn sale_options(options: &DemoOptions, sale: String, embedded: &Embedded) -> SaleOptions {
    let scenario = Scenario {
        buyers: options.buyers,
        units: u64::from(options.stock),
        cap: Some(u64::from(options.stock) + standby(options.stock)),
        seed: options.seed,
        arrivals: ArrivalsTable {
            curve: CurveName::AtOnce,
            at_once: options.at_once,
            ..ArrivalsTable::default()
        },
        shares: Shares {
            repeats: options.repeat_share,
            cancels: options.cancel_share,
            comes_back: 0.5,
            unpaid: options.unpaid_share,
            refreshers: 0.0,
            impatient: 0.0,
            watchers: 0.0,
        },
        times: Times { cancel_within: Duration::ZERO, unpaid_after: PAYMENT_TIMEOUT, ..Times::default() },
        ..Scenario::default()
    };
    SaleOptions {
        scenario,
        host: Some(embedded.front_url().to_owned()),
        new_sale: Some(sale),
        order_source: Some(Arc::new(OrderDatabase::new(embedded.order_store().clone()))),
        connections: CONNECTIONS,
        ..SaleOptions::default()
    }
}

/// The order system of the demo, with its own stock and some unpaid orders.
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

/// The length of the standby queue.
fn standby(stock: u32) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quarter of 32 bits fits 64"
    )]
    let standby = (f64::from(stock) * STANDBY).ceil() as u64;
    standby
}
