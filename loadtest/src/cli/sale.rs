//! `inrush-loadtest sale`: the flash sale as a load.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use inrush_report::{format, measure::Timeline};
use inrush_simulation::{
    inrush_process as inrush,
    sale::{
        SaleOptions, SaleRun, page,
        remaining::Measures,
        run as play,
        scenario::{CurveName, Scenario},
        shared::Moment,
        status::status,
        summary,
    },
};
use inrush_transport::Error;

use super::{
    console::print,
    fail_if::FailIf,
    interrupt::interruptible,
    outcome::Outcome,
    output_file::{check_writable, save, save_page},
};
use crate::live::{self, Mode, Snapshot, View};

const EXAMPLES: &str = "\
Without a HOST an Inrush is started for the run, with an order system of this tool behind it. This tool then records every
order, and finds every buyer that was overtaken and every unit that was oversold. With a HOST it has only the answers that
buyers get; to have the orders as well, configure --orders-listen as the order system of that Inrush.

Examples:
  inrush-loadtest sale                                       20,000 buyers for 2,000 units
  inrush-loadtest sale --buyers 1000000 --units 100000 --within 30s --report sale.html
  inrush-loadtest sale --scenario black-friday.toml front-1:50051
  inrush-loadtest sale --arrivals last-year.csv --orders-listen 0.0.0.0:50061 front-1:50051

Exit codes: 0 all checks passed, 1 a check failed or a threshold was exceeded, 2 usage.";

/// Play a whole flash sale, and check that nothing was oversold, lost, duplicated or served out of order.
///
/// Buyers arrive at planned times, get a ticket and poll until its final state. Some cancel, repeat their request, poll too
/// often, watch, leave, or never pay. At the end every answer is checked against all others.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Address of a front, host:port [default: an Inrush is started for the run].
    #[arg(value_name = "HOST")]
    host: Option<String>,

    /// The scenario, in TOML; flags override it.
    #[arg(long, value_name = "FILE.toml")]
    scenario: Option<PathBuf>,

    #[command(flatten)]
    sale: SaleFlags,

    #[command(flatten)]
    arrivals: ArrivalFlags,

    #[command(flatten)]
    buyers: BuyerFlags,

    #[command(flatten)]
    orders: OrderFlags,

    #[command(flatten)]
    load: LoadFlags,

    /// Write the results to this file, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,

    /// Write a report to this file: one self-contained page of HTML.
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    report: Option<PathBuf>,

    #[command(flatten)]
    fail_if: FailIf,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Sale")]
struct SaleFlags {
    /// How many units there are [default: 2000].
    #[arg(long, value_name = "COUNT")]
    units: Option<u64>,

    /// Maximum number of units in the queue; more than --units makes a standby queue [default: as --units].
    #[arg(long, value_name = "COUNT")]
    cap: Option<u64>,

    /// How many units each buyer asks for [default: 1].
    #[arg(long, value_name = "COUNT")]
    units_per_ticket: Option<u64>,

    /// Use this existing sale instead of creating one.
    #[arg(long, value_name = "ID", requires = "host")]
    sale: Option<String>,

    /// Close the sale of --sale at the end, so that every ticket must reach a final state.
    #[arg(long, requires = "sale")]
    close: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Arrivals")]
struct ArrivalFlags {
    /// How many buyers come [default: 20000].
    #[arg(long, value_name = "COUNT")]
    buyers: Option<u32>,

    /// The curve, spike, ramp or constant, or a CSV file with the arrivals of one second on each line [default: spike].
    #[arg(long, value_name = "CURVE|FILE.csv")]
    arrivals: Option<String>,

    /// When the last buyer has arrived [default: 5s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    within: Option<Duration>,

    /// In a spike, when the rate of arrivals has halved [default: 1s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    half_life: Option<Duration>,

    /// Seed of the arrival times and of what each buyer does [default: 1].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Buyers (shares from 0 to 1)")]
struct BuyerFlags {
    /// Share of buyers who cancel while they wait; half of them come back [default: 0.03].
    #[arg(long, value_name = "SHARE")]
    cancels: Option<f64>,

    /// Share of buyers who send their request twice [default: 0.05].
    #[arg(long, value_name = "SHARE")]
    repeats: Option<f64>,

    /// Share of buyers who repeat Enqueue instead of polling [default: 0.05].
    #[arg(long, value_name = "SHARE")]
    refreshers: Option<f64>,

    /// Share of buyers who poll more often than the server asks them to [default: 0.05].
    #[arg(long, value_name = "SHARE")]
    impatient: Option<f64>,

    /// Share of buyers who call WatchStatus instead of polling [default: 0.02].
    #[arg(long, value_name = "SHARE")]
    watchers: Option<f64>,

    /// Share of buyers who never pay [default: 0.02].
    #[arg(long, value_name = "SHARE")]
    unpaid: Option<f64>,

    /// How long a buyer polls before it leaves [default: 1h].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    patience: Option<Duration>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Orders")]
struct OrderFlags {
    /// Act as the order system: serve inrush.v1.OrderCreationService at this address.
    #[arg(long, value_name = "ADDRESS")]
    orders_listen: Option<String>,

    /// Orders per second that the order system of this tool creates [default: 1000].
    #[arg(long, value_name = "COUNT")]
    capacity: Option<f64>,

    /// How long each order takes [default: 20ms].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    latency: Option<Duration>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Load")]
struct LoadFlags {
    /// How long one call may take [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    /// Connections to the front.
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,

    /// Threads that play buyers [default: one for each core].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    cpus: Option<u32>,

    /// Trusted certificate authorities, in PEM; enables TLS.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// The `inrush` program to start without a HOST [default: the one beside this program, or in PATH].
    #[arg(long, value_name = "PATH")]
    inrush: Option<PathBuf>,
}

/// Runs a sale and checks it.
///
/// # Errors
/// When the arguments are invalid, or the sale cannot be run.
pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Error> {
    let options = arguments.options()?;
    check_writable("--json", arguments.json.as_deref())?;
    check_writable("--report", arguments.report.as_deref())?;
    let played = interruptible(move |interrupted| play_and_show(options, interrupted));
    // The Inrush that was started for the run must not outlive it, however the run ended.
    inrush::stop_all();
    let played = played?;
    print(summary::text(&played))?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&summary::json(&played)).unwrap_or_default() + "\n";
        save("--json", path, &text)?;
    }
    if let Some(path) = &arguments.report {
        save_page(path, |to| page(&played, to))?;
    }
    let kept = arguments.fail_if.check(&played.measures.enqueues, true);
    Ok(if played.passed() { kept } else { Outcome::Failed })
}

/// Runs a sale, and shows its progress on stderr.
fn play_and_show(options: SaleOptions, interrupted: &AtomicBool) -> Result<SaleRun, Error> {
    // A recording of arrivals determines the number of buyers.
    let (scenario, _) = options.scenario.clone().plan()?;
    let title = format!("Flash sale of {} units", format::count(scenario.units));
    let mut view = live::view(&title, Mode::detect(false));
    let played = play(options, interrupted, &mut |moment, shared| {
        show(view.as_mut(), moment, &scenario, &shared.calls(), false);
    })?;
    if let Some(last) = played.moments.last() {
        let Measures { enqueues, polls, others, .. } = &played.measures;
        let mut calls = enqueues.timeline.clone();
        [polls, others].into_iter().for_each(|of| calls.merge(of.timeline.clone()));
        show(view.as_mut(), last, &scenario, &calls, true);
    }
    Ok(played)
}

fn show(view: &mut dyn View, moment: &Moment, scenario: &Scenario, calls: &Timeline, over: bool) {
    let Moment { at_s, arrived, refused, waiting, ordered, .. } = *moment;
    let units = scenario.units;
    let notes = [
        ("sold", format!("{} of {}", format::count(ordered), format::count(units))),
        ("arrived", format::count(arrived)),
        ("refused", format::count(refused)),
        ("waiting", format::count(waiting)),
    ];
    let status = status(scenario, moment).filter(|_| !over);
    view.show(&Snapshot {
        elapsed: Duration::from_secs_f64(at_s.max(0.0)),
        timeline: calls,
        done: Some(format::ratio(ordered, units).min(1.0)),
        notes: &notes,
        status: status.as_deref(),
        over,
    });
}

impl Arguments {
    fn options(&self) -> Result<SaleOptions, Error> {
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::read(path)?,
            None => Scenario::default(),
        };
        self.sale.change(&mut scenario);
        self.arrivals.change(&mut scenario)?;
        self.buyers.change(&mut scenario);
        self.orders.change(&mut scenario);
        set(&mut scenario.timeout, self.load.timeout);
        Ok(SaleOptions {
            scenario,
            host: self.host.clone(),
            authority: self.load.cacert.clone(),
            sale: self.sale.sale.clone(),
            close: self.sale.close,
            orders_listen: self.orders.orders_listen.clone(),
            inrush: self.load.inrush.clone(),
            connections: usize::try_from(self.load.connections).unwrap_or(1),
            threads: self.load.cpus,
            ..SaleOptions::default()
        })
    }
}

impl SaleFlags {
    fn change(&self, scenario: &mut Scenario) {
        set(&mut scenario.units, self.units);
        scenario.cap = self.cap.or(scenario.cap);
        set(&mut scenario.units_per_ticket, self.units_per_ticket);
    }
}

impl ArrivalFlags {
    fn change(&self, scenario: &mut Scenario) -> Result<(), Error> {
        set(&mut scenario.buyers, self.buyers);
        set(&mut scenario.seed, self.seed);
        set(&mut scenario.arrivals.within, self.within);
        set(&mut scenario.arrivals.half_life, self.half_life);
        let Some(arrivals) = &self.arrivals else { return Ok(()) };
        scenario.arrivals.file = None;
        scenario.arrivals.curve = match arrivals.as_str() {
            "spike" => CurveName::Spike,
            "ramp" => CurveName::Ramp,
            "constant" => CurveName::Constant,
            "at-once" => CurveName::AtOnce,
            file if Path::new(file).extension().is_some() => {
                scenario.arrivals.file = Some(file.into());
                CurveName::Recorded
            }
            other => {
                return Err(Error::new(
                    format!("--arrivals {other:?} is not a curve"),
                    "pass spike, ramp, constant, at-once, or a CSV file",
                ));
            }
        };
        Ok(())
    }
}

impl BuyerFlags {
    fn change(&self, scenario: &mut Scenario) {
        let shares = &mut scenario.shares;
        set(&mut shares.cancels, self.cancels);
        set(&mut shares.repeats, self.repeats);
        set(&mut shares.refreshers, self.refreshers);
        set(&mut shares.impatient, self.impatient);
        set(&mut shares.watchers, self.watchers);
        set(&mut shares.unpaid, self.unpaid);
        set(&mut scenario.times.patience, self.patience);
    }
}

impl OrderFlags {
    fn change(&self, scenario: &mut Scenario) {
        set(&mut scenario.orders.capacity, self.capacity);
        set(&mut scenario.orders.latency, self.latency);
    }
}

fn set<T>(value: &mut T, flag: Option<T>) {
    if let Some(given) = flag {
        *value = given;
    }
}
