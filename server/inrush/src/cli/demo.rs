//! `inrush demo` on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inrush_runtime::config::Flags;
use inrush_store::fault_injection::Fault;

use crate::demo::DemoOptions;

/// Run a whole flash sale and prove the result.
///
/// Starts a front, fulfilment and an order system in this process, on real sockets, lets every buyer ask at once, and
/// compares in the end what buyers were told with what the order database holds. Some buyers ask twice, some cancel,
/// some never pay; a standby line takes what comes back, so that every unit is sold. Exits with 1 unless oversold, lost,
/// duplicated and out of order are all 0.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush demo
  inrush demo --store redis://127.0.0.1 --report demo.html
  inrush demo --buyers 1000000 --stock 200000 --store redis://127.0.0.1
  inrush demo --fault overshoot                            shows that the proof can fail")]
pub(crate) struct DemoArgs {
    /// How many buyers come.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    buyers: u32,
    /// How many units there are.
    #[arg(long, value_name = "UNITS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    stock: u32,
    /// Where the line is kept: memory: or redis://HOST:PORT/DB [default: memory:].
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Orders per second the order system can take; 0 for as many as its database can.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    capacity: u32,
    /// Share of buyers who ask twice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share, help_heading = "Buyers")]
    repeats: f64,
    /// Share of buyers who cancel once they are in line; half of them come back.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share, help_heading = "Buyers")]
    cancels: f64,
    /// Share of orders that are never paid, at most a tenth.
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = unpaid_share, help_heading = "Buyers")]
    unpaid: f64,
    /// How many buyers ask at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Buyers")]
    at_once: u32,
    /// Decides who does what.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Buyers")]
    seed: u64,
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write a report to this file, as one HTML page that needs nothing else.
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    report: Option<PathBuf>,
    /// Break the store on purpose, to show that the proof can fail.
    #[arg(long, value_name = "FAULT", help_heading = "Proof of the proof")]
    fault: Option<StoreFault>,
}

/// How the store can be broken here: what the demo's order system, which has a stock of its own, does not prevent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreFault {
    /// Admits twice as much as the cap allows.
    Overshoot,
    /// Calls some tickets ordered without ever handing them out.
    Drop,
    /// Hands neighbours in line out in the wrong order.
    Swap,
}

impl DemoArgs {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        Flags::new().set("store.url", "--store", self.store.as_ref())
    }

    /// What the demo is asked to play.
    pub(crate) fn options(self) -> DemoOptions {
        DemoOptions {
            buyers: self.buyers,
            stock: self.stock,
            repeat_share: self.repeats,
            cancel_share: self.cancels,
            unpaid_share: self.unpaid,
            capacity: self.capacity,
            at_once: self.at_once,
            seed: self.seed,
            fault: self.fault.map(Fault::from),
            json: self.json,
            report: self.report,
        }
    }
}

impl From<StoreFault> for Fault {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Overshoot => Self::Overshoot,
            StoreFault::Drop => Self::Drop,
            StoreFault::Swap => Self::Swap,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    within(text, 1.0)
}

/// The standby line is a quarter of the stock: more unpaid orders than it can take over would leave units unsold.
fn unpaid_share(text: &str) -> Result<f64, String> {
    within(text, 0.1)
}

fn within(text: &str, most: f64) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=most).contains(&share) { Ok(share) } else { Err(format!("{share} is not from 0 to {most}")) }
}
