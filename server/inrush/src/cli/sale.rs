//! The operator's commands: sales and their dead letters.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::ClientFlags,
    values::{DurationArg, OrNone, Quantity, Rate, TimeArg},
};

/// The maximum number of dead letters in one command, as in one call of the protocol.
const MAX_SEQS: usize = 256;

/// Create, watch and control sales.
///
/// A sale is one product on offer with its own queue. These commands call any front.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale create phone-x --stock 2000 --cap 2400 --open 2026-11-11T20:00:00+01:00
  inrush sale watch phone-x
  inrush sale update phone-x --pace 300/s
  inrush sale hold phone-x")]
pub(crate) struct SaleArgs {
    #[command(flatten)]
    pub(crate) client: ClientFlags,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: SaleCommand,
}

/// The commands of sales.
#[derive(Debug, Subcommand)]
pub(crate) enum SaleCommand {
    Create(Create),
    List(List),
    Show(Show),
    Update(Update),
    Hold(Hold),
    Resume(Resume),
    Close(Close),
    Delete(Delete),
    Watch(Watch),
    DeadLetters(DeadLetters),
    Redrive(Redrive),
    Discard(Discard),
    Audit(Audit),
}

/// Create a sale.
///
/// Repeating a creation with the same settings changes nothing; with other settings it fails, unless --if-absent
/// is set.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale create phone-x --stock 2000
  inrush sale create phone-x --stock 2000 --cap 2400 --unit-limit 2 --open +10m --pace 500/s
  inrush sale create lunch --cap 50_000        no stock: at most 50,000 units wait")]
pub(crate) struct Create {
    /// The sale's id: 1 to 63 characters of a-z, 0-9 and '-'.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    #[command(flatten)]
    pub(crate) settings: SaleFlags,
    /// Where tickets are stored before Enqueue is answered.
    #[arg(long, value_name = "LEVEL", default_value = "memory", help_heading = "Settings")]
    pub(crate) durability: Durability,
    /// Hold a part from the start, until `sale resume`.
    #[arg(long, value_name = "PART", help_heading = "Settings")]
    pub(crate) hold: Vec<Part>,
    /// Succeed without changes if the sale already exists, also with other settings.
    #[arg(long)]
    pub(crate) if_absent: bool,
}

/// Change settings of a sale, also while it runs.
///
/// Settings that are not named stay. The value `none` resets a setting to its default.
#[derive(Debug, Args)]
#[command(override_usage = "inrush sale update [OPTIONS] <SALE> <SETTINGS>")]
#[command(mut_group("SaleFlags", |settings| settings.required(true).multiple(true)))]
#[command(after_long_help = "\
Examples:
  inrush sale update phone-x --stock 2500      top up
  inrush sale update phone-x --pace 300/s      slow down
  inrush sale update phone-x --pace none       as fast as the order system can work
  inrush sale update phone-x --route bypass    send buyers to the normal purchase flow")]
pub(crate) struct Update {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    #[command(flatten)]
    pub(crate) settings: SaleFlags,
    /// Fail unless the sale has this version, as `sale show` prints it.
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Option<u64>,
}

/// The settings of `create` and `update`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SaleFlags {
    /// Units for sale; none: a sale without stock, whose cap limits the waiting units.
    #[arg(long, value_name = "UNITS")]
    pub(crate) stock: Option<OrNone<Quantity>>,
    /// Maximum number of admitted units [default: the stock].
    ///
    /// A cap above the stock admits a standby queue.
    #[arg(long, value_name = "UNITS")]
    pub(crate) cap: Option<OrNone<Quantity>>,
    /// Opening time: 2026-11-11T20:00:00+01:00, or +10m from now [default: at its creation].
    #[arg(long, value_name = "TIME")]
    pub(crate) open: Option<OrNone<TimeArg>>,
    /// Time at which admission ends; waiting tickets are still served [default: when it is closed].
    #[arg(long, value_name = "TIME")]
    pub(crate) close: Option<OrNone<TimeArg>>,
    /// Maximum number of units per ticket [default: 1].
    #[arg(long, value_name = "UNITS")]
    pub(crate) unit_limit: Option<OrNone<Quantity>>,
    /// Where buyers are sent: into the queue, or to the normal purchase flow [default: queue].
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<Route>,
    /// Maximum rate of claimed tickets, such as 500/s or 90/m [default: as fast as the order system works].
    #[arg(long, value_name = "RATE")]
    pub(crate) pace: Option<OrNone<Rate>>,
    /// Maximum number of tickets claimed in one burst [default: the tickets of a tenth of a second].
    #[arg(long, value_name = "TICKETS", requires = "pace")]
    pub(crate) burst: Option<Quantity>,
    /// Maximum number of attempts before a ticket becomes a dead letter [default: 5].
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_attempts: Option<OrNone<u32>>,
    /// Duration of a lease unless it is extended, such as 30s [default: 30s].
    #[arg(long, value_name = "DURATION")]
    pub(crate) lease: Option<OrNone<DurationArg>>,
}

/// Where buyers are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// Into the queue.
    Queue,
    /// To the normal purchase flow; waiting tickets keep waiting.
    Bypass,
}

/// Where acknowledged tickets are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// In the store's memory.
    Memory,
    /// On the store's disk.
    Fsync,
    /// In the memory of the store and of every replica that could be promoted.
    Replicated,
}

/// A part of a sale that can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Admitting buyers.
    Admission,
    /// Sending entries to the order system.
    Fulfilment,
}

/// List sales in the order of their ids.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale list
  inrush sale list --json | jq -r '.sales[] | select(.state == \"OPEN\") | .sale_id'")]
pub(crate) struct List {
    /// Maximum number of sales.
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Show a sale: its settings, its ledger and its pace.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale show phone-x")]
pub(crate) struct Show {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
}

/// Hold admission (no new buyers are admitted) or fulfilment (no entries are claimed).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale hold phone-x                        no new buyers
  inrush sale hold phone-x --part fulfilment      no new entries for the order system")]
pub(crate) struct Hold {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// The part to hold.
    #[arg(long, value_name = "PART", default_value = "admission")]
    pub(crate) part: Part,
}

/// Resume admission or fulfilment.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale resume phone-x --part fulfilment")]
pub(crate) struct Resume {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// The part to resume.
    #[arg(long, value_name = "PART", default_value = "admission")]
    pub(crate) part: Part,
}

/// Close a sale for good: waiting tickets expire, claimed tickets are finished.
///
/// It cannot be opened again. Asks for confirmation on a terminal.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale close phone-x")]
pub(crate) struct Close {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Delete a closed sale with all its tickets.
///
/// Fails while tickets are in flight or dead. Asks for confirmation on a terminal.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale delete phone-x")]
pub(crate) struct Delete {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Watch a sale until it is closed and finished, or until Ctrl-C.
///
/// On a terminal the view is redrawn in place. In a pipe each change is printed as a line, with --json as an object.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale watch phone-x
  inrush sale watch phone-x --json | jq .ledger.waiting.tickets")]
pub(crate) struct Watch {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Time between two reads.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub(crate) every: DurationArg,
}

/// List tickets whose attempts all failed.
///
/// Their units stay reserved until they are redriven or discarded.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale dead-letters phone-x")]
pub(crate) struct DeadLetters {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Maximum number of dead letters.
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Requeue dead letters at their old seq, with new attempts.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale redrive phone-x 17 42
  inrush sale redrive phone-x --all")]
pub(crate) struct Redrive {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Discard dead letters: the tickets become REJECTED and their units are free again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale discard phone-x 17 42
  inrush sale discard phone-x --all --yes")]
pub(crate) struct Discard {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// The chosen dead letters.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Seqs of the tickets, as `sale dead-letters` prints them.
    #[arg(value_name = "SEQ", num_args = 1..=MAX_SEQS)]
    pub(crate) seqs: Vec<u64>,
    /// All current dead letters.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Compare the queue with the orders of the order system.
///
/// Prints each difference and its repair. Exits with 1 if differences are left. Fulfilment repairs by itself what a store
/// has forgotten, if the order system implements `ListOrders`; this command shows what is left, and does it by hand.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale audit phone-x
  inrush sale audit phone-x --repair
  inrush sale audit phone-x --orders orders.csv --repair

A file of orders, for an order system without `ListOrders`; other columns are ignored:
  ticket_id,order_id,buyer_id,units,state
  phone-x/3481600000000001024/17,A-1001,ann,1,ordered
  phone-x/3481600000000001024/18,A-1002,\"bob, jr\",2,released")]
pub(crate) struct Audit {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Settle the tickets whose order the queue has forgotten.
    #[arg(long)]
    pub(crate) repair: bool,
    /// CSV file with all orders of the sale, instead of the list of the order system.
    #[arg(long, value_name = "FILE")]
    pub(crate) orders: Option<PathBuf>,
    /// Address of the order system [default: fulfilment.orders].
    #[arg(long, value_name = "URL", conflicts_with = "orders")]
    pub(crate) order_system: Option<String>,
}
