//! `inrush-loadtest compare`: the same rush with and without Inrush.

use std::{path::PathBuf, time::Duration};

use inrush_simulation::{
    compare::{Options, Settings, comparison_chart, page, run as play, text},
    inrush_process as inrush,
};
use inrush_transport::Error;

use super::{
    console::{print, print_error},
    fail_if::FailIf,
    interrupt::interruptible,
    outcome::Outcome,
    output_file::{check_writable, save, save_page},
};

const EXAMPLES: &str = "\
The order system is a model, served over real gRPC. Some workers take orders from one queue, first come first served, and are
busy with each for a service time. They do not know whether a buyer is still waiting, and make the order of one that has left
as well. Goodput is the number of orders per second that their buyers received, until the last unit was sold or the last
buyer had left.

Examples:
  inrush-loadtest compare                                   about a minute
  inrush-loadtest compare --quick
  inrush-loadtest compare --svg compare.svg --report compare.html
  inrush-loadtest compare --workers 100 --service 50ms --units 40000 --contention 0.1

Exit codes: 0 fine, 1 a threshold was passed, 2 usage.";

/// Compare the same rush sent directly to an order system with one through Inrush.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A smaller rush that takes about twenty seconds.
    #[arg(long)]
    quick: bool,

    #[command(flatten)]
    orders: OrderFlags,

    #[command(flatten)]
    buyers: BuyerFlags,

    #[command(flatten)]
    inrush: InrushFlags,

    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Order system")]
struct OrderFlags {
    /// How many orders it processes concurrently [default: 20].
    #[arg(long, value_name = "COUNT")]
    workers: Option<u32>,

    /// How long each order takes [default: 100ms].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    service: Option<Duration>,

    /// How long a look-up takes, for a ticket that has an order or when nothing is left [default: 10ms].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    look_up: Option<Duration>,

    /// Make it slower under load: service × (1 + CONTENTION × waiting / workers), at most ten times [default: 0].
    #[arg(long, value_name = "FACTOR")]
    contention: Option<f64>,

    /// How many orders may wait in it; further ones are refused [default: 100000].
    #[arg(long, value_name = "COUNT")]
    backlog: Option<usize>,

    /// How many units there are [default: 4000].
    #[arg(long, value_name = "COUNT")]
    units: Option<u64>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Buyers")]
struct BuyerFlags {
    /// Arrivals as a multiple of what the order system can serve [default: 10].
    #[arg(long, value_name = "FACTOR")]
    rush: Option<f64>,

    /// How long buyers arrive [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    rush_lasts: Option<Duration>,

    /// How long a buyer waits for an answer [default: 3s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    /// How often a buyer retries [default: 3].
    #[arg(long, value_name = "COUNT")]
    retries: Option<u32>,

    /// How long a buyer waits before the first retry; it doubles each time [default: 500ms].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    backoff: Option<Duration>,

    /// Seed of the arrival times [default: 1].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Inrush")]
struct InrushFlags {
    /// Address of a front, host:port, whose order system is at --orders-listen [default: an Inrush is started].
    #[arg(long, value_name = "HOST", requires = "orders_listen")]
    target: Option<String>,

    /// Where the order system of this tool listens.
    #[arg(long, value_name = "ADDRESS")]
    orders_listen: Option<String>,

    /// The `inrush` program to start [default: the one beside this program, or in PATH].
    #[arg(long, value_name = "PATH")]
    inrush: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
struct OutputFlags {
    /// Write the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a report to this file: one self-contained page of HTML.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Write the chart to this file, as SVG.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,

    /// Exit with 1 if goodput through Inrush is less than this share of the capacity, from 0 to 1.
    #[arg(long, value_name = "SHARE")]
    at_least: Option<f64>,

    #[command(flatten)]
    fail_if: FailIf,
}

/// Runs both rushes and prints the comparison.
///
/// # Errors
/// When the arguments are invalid, or a rush cannot be run.
pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Error> {
    let options = arguments.options();
    let output = &arguments.output;
    check_writable("--json", output.json.as_deref())?;
    check_writable("--report", output.report.as_deref())?;
    check_writable("--svg", output.svg.as_deref())?;
    let played = interruptible(move |interrupted| play(&options, interrupted, &mut |text| print_error(text)));
    // The Inrush that was started for the run must not outlive it, however the run ended.
    inrush::stop_all();
    let comparison = played?;
    print(text::table(&comparison))?;
    if let Some(path) = &output.json {
        let text = serde_json::to_string_pretty(&text::json(&comparison)).unwrap_or_default() + "\n";
        save("--json", path, &text)?;
    }
    if let Some(path) = &output.report {
        save_page(path, |to| page(&comparison, to))?;
    }
    if let Some(path) = &output.svg {
        save("--svg", path, &comparison_chart(&comparison).file())?;
    }
    let kept = output.fail_if.check(&comparison.through.results, true);
    let (_, through) = comparison.shares();
    match output.at_least {
        Some(least) if through < least => {
            print_error(format_args!(
                "failed: goodput through Inrush is {through:.3} of the capacity, less than {least}"
            ));
            Ok(Outcome::Failed)
        }
        _ => Ok(kept),
    }
}

impl Arguments {
    fn options(&self) -> Options {
        let start = if self.quick { Settings::quick() } else { Settings::default() };
        let Self { orders, buyers, inrush, .. } = self;
        let settings = Settings {
            workers: orders.workers.unwrap_or(start.workers),
            service: orders.service.unwrap_or(start.service),
            look_up: orders.look_up.unwrap_or(start.look_up),
            contention: orders.contention.unwrap_or(start.contention),
            backlog: orders.backlog.unwrap_or(start.backlog),
            units: orders.units.unwrap_or(start.units),
            rush: buyers.rush.unwrap_or(start.rush),
            rush_lasts: buyers.rush_lasts.unwrap_or(start.rush_lasts),
            timeout: buyers.timeout.unwrap_or(start.timeout),
            retries: buyers.retries.unwrap_or(start.retries),
            backoff: buyers.backoff.unwrap_or(start.backoff),
            seed: buyers.seed.unwrap_or(start.seed),
        };
        Options {
            settings,
            host: inrush.target.clone(),
            orders_listen: inrush.orders_listen.clone(),
            inrush: inrush.inrush.clone(),
        }
    }
}
