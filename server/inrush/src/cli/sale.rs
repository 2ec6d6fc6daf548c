//! The operator's commands: sales and their dead letters.

use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::ClientFlags,
    values::{DurationArg, OrNone, Quantity, Rate, TimeArg},
};

/// Most dead letters named in one command; the protocol takes as many in one call.
const MAX_SEQS: usize = 256;

/// Create, watch and steer sales.
///
/// A sale is one product on offer with its own queue. These commands talk to any front.
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
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: SaleCommand,
}

/// What can be done with sales.
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
}

/// Create a sale.
///
/// Repeating a creation with the same settings is harmless; with other settings it is refused, unless --if-absent is given.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale create phone-x --stock 2000
  inrush sale create phone-x --stock 2000 --cap 2400 --unit-limit 2 --open +10m --pace 500/s
  inrush sale create lunch --cap 50_000        no stock: at most so many wait at once")]
pub(crate) struct Create {
    /// The sale's id: 1 to 63 characters of a-z, 0-9 and '-'.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    #[command(flatten)]
    pub(crate) settings: SaleFlags,
    /// How well tickets are kept before the answer: in the store's memory, on its disk, or in the memory of a replica too.
    #[arg(long, value_name = "LEVEL", default_value = "memory", help_heading = "Settings")]
    pub(crate) durability: Durability,
    /// Hold a part back from the start; `sale resume` lets it go.
    #[arg(long, value_name = "PART", help_heading = "Settings")]
    pub(crate) hold: Vec<Part>,
    /// Leave a sale that exists as it is, also with other settings: for whatever sets things up again and again.
    #[arg(long)]
    pub(crate) if_absent: bool,
}

/// Change settings of a sale, also while it runs.
///
/// Only what is named changes. The value `none` takes a setting back to its default.
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
    /// Change nothing unless the sale has this version, as `sale show` prints it.
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Option<u64>,
}

/// The settings that a creation gives and an update changes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SaleFlags {
    /// Units for sale; none: a sale without stock, whose cap bounds how many units may wait at once.
    #[arg(long, value_name = "UNITS")]
    pub(crate) stock: Option<OrNone<Quantity>>,
    /// Units that may be admitted [default: as many as the stock].
    ///
    /// More than the stock makes a standby line.
    #[arg(long, value_name = "UNITS")]
    pub(crate) cap: Option<OrNone<Quantity>>,
    /// When it opens: 2026-11-11T20:00:00+01:00, or +10m from now [default: at its creation].
    #[arg(long, value_name = "TIME")]
    pub(crate) open: Option<OrNone<TimeArg>>,
    /// When it stops taking buyers in; the line is still served [default: when it is closed].
    #[arg(long, value_name = "TIME")]
    pub(crate) close: Option<OrNone<TimeArg>>,
    /// The most units one ticket may ask for [default: 1].
    #[arg(long, value_name = "UNITS")]
    pub(crate) unit_limit: Option<OrNone<Quantity>>,
    /// Where buyers are sent: into the line, or to the normal purchase flow [default: queue].
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<Route>,
    /// How fast tickets may be claimed, such as 500/s or 90/m [default: as fast as the order system can work].
    #[arg(long, value_name = "RATE")]
    pub(crate) pace: Option<OrNone<Rate>>,
    /// Most tickets claimed at one instant after a quiet time [default: a tenth of a second's worth].
    #[arg(long, value_name = "TICKETS", requires = "pace")]
    pub(crate) burst: Option<Quantity>,
    /// How often an order is tried before the ticket becomes a dead letter [default: 5].
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_attempts: Option<OrNone<u32>>,
    /// How long a claim lasts unless it is extended, such as 30s [default: 30s].
    #[arg(long, value_name = "DURATION")]
    pub(crate) lease: Option<OrNone<DurationArg>>,
}

/// Where buyers are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// Into the line.
    Queue,
    /// To the normal purchase flow; who is in line stays in line.
    Bypass,
}

/// How well acknowledged tickets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// In the store's memory.
    Memory,
    /// On the store's disk before the answer is sent.
    Fsync,
    /// In the memory of a second server, a replica of the store's, before the answer is sent.
    Replicated,
}

/// A part of a sale that can be held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Taking buyers in.
    Admission,
    /// Handing entries to the order system.
    Fulfilment,
}

/// List sales in the order of their ids.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale list
  inrush sale list --json | jq -r '.sales[] | select(.state == \"OPEN\") | .sale_id'")]
pub(crate) struct List {
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Show one sale: its settings, its ledger and its pace.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale show phone-x")]
pub(crate) struct Show {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
}

/// Hold back admission (nobody new gets in line) or fulfilment (the line stands still).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale hold phone-x                        nobody new gets in line
  inrush sale hold phone-x --part fulfilment      the order system gets a rest")]
pub(crate) struct Hold {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// What to hold back.
    #[arg(long, value_name = "PART", default_value = "admission")]
    pub(crate) part: Part,
}

/// Let admission or fulfilment go on.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale resume phone-x --part fulfilment")]
pub(crate) struct Resume {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// What to let go on.
    #[arg(long, value_name = "PART", default_value = "admission")]
    pub(crate) part: Part,
}

/// Close a sale for good: what waits expires, what was claimed is finished.
///
/// It cannot be opened again. On a terminal it asks first.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale close phone-x")]
pub(crate) struct Close {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Delete a closed sale with all its tickets.
///
/// Nothing may be in flight or dead any more. On a terminal it asks first.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale delete phone-x")]
pub(crate) struct Delete {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Watch a sale until it is closed and done, or until Ctrl-C.
///
/// On a terminal the view refreshes in place. In a pipe a line is printed for every change, with --json an object.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush sale watch phone-x
  inrush sale watch phone-x --json | jq .ledger.waiting.tickets")]
pub(crate) struct Watch {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub(crate) every: DurationArg,
}

/// List tickets that ran out of attempts.
///
/// Their units stay set aside until they are redriven or discarded.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush sale dead-letters phone-x")]
pub(crate) struct DeadLetters {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Put dead letters back in line, at their old place and with fresh attempts.
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

/// Give up dead letters: the tickets become REJECTED and their units are free again.
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
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Which dead letters.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Numbers of the tickets, as `sale dead-letters` prints them.
    #[arg(value_name = "SEQ", num_args = 1..=MAX_SEQS)]
    pub(crate) seqs: Vec<u64>,
    /// All that are dead now.
    #[arg(long)]
    pub(crate) all: bool,
}
