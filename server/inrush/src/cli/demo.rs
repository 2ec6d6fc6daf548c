//! `inrush demo` on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inrush_runtime::config::Flags;
use inrush_store::fault_injection::Fault;

use crate::demo::DemoOptions;

/// Run a whole flash sale and check the result.
///
/// Starts a front, fulfilment and an order system in this process, on real sockets, enqueues all buyers as fast
/// as possible, and at the end compares the answers that buyers got with the order database. Some buyers repeat
/// their Enqueue, some cancel, some never pay; a standby queue takes the units that come back, so that every unit
/// is sold. The exit code is 1 unless oversold, lost, duplicated and out of order are all 0.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush demo
  inrush demo --store redis://127.0.0.1 --report demo.html
  inrush demo --buyers 1000000 --stock 200000 --store redis://127.0.0.1
  inrush demo --fault overshoot                            the check must fail")]
pub(crate) struct DemoArgs {
    /// Number of buyers.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    buyers: u32,
    /// Units for sale.
    #[arg(long, value_name = "UNITS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    stock: u32,
    /// URL of the store: memory: or redis://HOST:PORT/DB [default: memory:].
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Maximum rate of orders per second; 0: no limit but the database.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    capacity: u32,
    /// Fraction of buyers that repeat their Enqueue.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share, help_heading = "Buyers")]
    repeats: f64,
    /// Fraction of buyers that cancel their ticket; half of them enqueue again.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share, help_heading = "Buyers")]
    cancels: f64,
    /// Fraction of orders that are never paid: 0 to 0.1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = unpaid_share, help_heading = "Buyers")]
    unpaid: f64,
    /// Number of concurrent buyers.
    #[arg(long, value_name = "COUNT", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Buyers")]
    at_once: u32,
    /// Seed of the buyers' random behaviour.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Buyers")]
    seed: u64,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write a report to this file, as one self-contained HTML page.
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    report: Option<PathBuf>,
    /// Inject a fault into the store, to show that the check finds it.
    #[arg(long, value_name = "FAULT", help_heading = "Fault injection")]
    fault: Option<StoreFault>,
}

/// A fault of the store that the demo's order system, which has its own stock, does not prevent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreFault {
    /// Admits twice the cap.
    Overshoot,
    /// Marks some tickets as ordered without an order.
    Drop,
    /// Swaps neighbours in the queue.
    Swap,
}

impl DemoArgs {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        Flags::new().set("store.url", "--store", self.store.as_ref())
    }

    /// The options of the demo.
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

/// The standby queue is a quarter of the stock: with more unpaid orders, units would stay unsold.
fn unpaid_share(text: &str) -> Result<f64, String> {
    within(text, 0.1)
}

fn within(text: &str, max: f64) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=max).contains(&share) { Ok(share) } else { Err(format!("{share} is not from 0 to {max}")) }
}
