//! A buyer's commands, for trying things out and for support.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{client::ClientFlags, values::Quantity};

/// Get in line, look, cancel, release; make ticket keys.
///
/// What a buyer's application does over gRPC, for trying things out and for support.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket enqueue phone-x buyer-1
  inrush ticket show AQABqZ…
  inrush ticket release phone-x/1763000000000/42
  inrush ticket new-key > ticket.keys")]
pub(crate) struct TicketArgs {
    #[command(flatten)]
    pub(crate) client: ClientFlags,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: TicketCommand,
}

/// What can be done with tickets.
#[derive(Debug, Subcommand)]
pub(crate) enum TicketCommand {
    Enqueue(Enqueue),
    Show(Show),
    Watch(Watch),
    Cancel(Cancel),
    Release(Release),
    NewKey(NewKey),
}

/// Ask for units of a sale.
///
/// Prints the ticket, or why there is none. The same buyer asking again gets the same ticket. A refusal is an answer,
/// not a failure: the exit code is 0.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket enqueue phone-x buyer-1
  inrush ticket enqueue phone-x buyer-1 --units 2 --payload '{\"colour\":\"red\"}' --watch
  ticket=$(inrush ticket enqueue phone-x buyer-1 --json | jq -r .ticket)")]
pub(crate) struct Enqueue {
    /// The sale's id.
    #[arg(value_name = "SALE")]
    pub(crate) sale_id: String,
    /// Who wants the units: any id of up to 128 bytes.
    #[arg(value_name = "BUYER")]
    pub(crate) buyer_id: String,
    /// How many units, all or nothing.
    #[arg(long, value_name = "UNITS", default_value = "1")]
    pub(crate) units: Quantity,
    /// Text for the order system, up to 4096 bytes.
    #[arg(long, value_name = "TEXT", conflicts_with = "payload_file")]
    pub(crate) payload: Option<String>,
    /// File with bytes for the order system; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) payload_file: Option<PathBuf>,
    /// Stay and print every change until the ticket has its answer.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// Show where a ticket stands.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket show AQABqZ…
  echo \"$ticket\" | inrush ticket show -")]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) which: SignedTicket,
}

/// Print every change of a ticket until it has its answer, or until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush ticket watch AQABqZ…")]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) which: SignedTicket,
}

/// Give up a waiting ticket; its units are free at once.
///
/// Prints where the ticket stands. If it is too late to cancel the exit code is 1.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush ticket cancel AQABqZ…")]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) which: SignedTicket,
}

/// The signed ticket.
#[derive(Debug, Args)]
pub(crate) struct SignedTicket {
    /// The ticket as `ticket enqueue` printed it; `-` reads it from standard input.
    ///
    /// Whoever has a ticket can cancel it, and other users of this machine can see arguments: prefer `-` for buyers'
    /// tickets.
    #[arg(value_name = "TICKET")]
    pub(crate) ticket: String,
}

/// Give back the units of an order that was never paid.
///
/// The units are sold again. Repeating it is harmless.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush ticket release phone-x/1763000000000/42")]
pub(crate) struct Release {
    /// The ticket's name, `sale/epoch/seq`, as the order system received it.
    #[arg(value_name = "TICKET_ID")]
    pub(crate) ticket_id: String,
}

/// Make a key that signs tickets.
///
/// Every front of a cluster needs the same keys, in a file (`tickets.keys_file`) or in INRUSH_TICKETS_KEYS. The first
/// key signs, all of them prove: to rotate, put a new key with another id first, and drop the old one when no ticket
/// of it is needed any more.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket new-key > ticket.keys
  inrush ticket new-key --out ticket.keys      readable by its owner only
  inrush ticket new-key --id 1 | cat - old.keys > ticket.keys")]
pub(crate) struct NewKey {
    /// The key's id, 0 to 255: no other key in use may have it.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub(crate) id: u8,
    /// Write the key to a new file that only its owner can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
