//! The commands of buyers, for trials and support.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{client::ClientFlags, values::Quantity};

/// Enqueue, show, watch, cancel and release tickets; make ticket keys.
///
/// The calls of a buyer's application, for trials and support.
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
    /// The command.
    #[command(subcommand)]
    pub(crate) command: TicketCommand,
}

/// The commands of tickets.
#[derive(Debug, Subcommand)]
pub(crate) enum TicketCommand {
    Enqueue(Enqueue),
    Show(Show),
    Watch(Watch),
    Cancel(Cancel),
    Release(Release),
    NewKey(NewKey),
}

/// Enqueue a buyer for units of a sale.
///
/// Prints the ticket or the refusal. Repeating it for a buyer returns the same ticket. A refusal is not a
/// failure: the exit code is 0.
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
    /// The buyer's id: up to 128 bytes.
    #[arg(value_name = "BUYER")]
    pub(crate) buyer_id: String,
    /// Number of units, all or nothing.
    #[arg(long, value_name = "UNITS", default_value = "1")]
    pub(crate) units: Quantity,
    /// Text for the order system, up to 4096 bytes.
    #[arg(long, value_name = "TEXT", conflicts_with = "payload_file")]
    pub(crate) payload: Option<String>,
    /// File with bytes for the order system; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) payload_file: Option<PathBuf>,
    /// Print every change until the ticket is final.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// Show the status of a ticket.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket show AQABqZ…
  echo \"$ticket\" | inrush ticket show -")]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) which: SignedTicket,
}

/// Print every change of a ticket until it is final, or until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush ticket watch AQABqZ…")]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) which: SignedTicket,
}

/// Cancel a waiting ticket; its units are free immediately.
///
/// Prints the status of the ticket. If it is too late to cancel, the exit code is 1.
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
    /// A ticket is enough to cancel it, and other users of this machine can see arguments: prefer `-` for the
    /// tickets of buyers.
    #[arg(value_name = "TICKET")]
    pub(crate) ticket: String,
}

/// Release the units of an order that was not paid.
///
/// The units are free again. Repeating it changes nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  inrush ticket release phone-x/1763000000000/42")]
pub(crate) struct Release {
    /// The ticket's id, `sale/epoch/seq`, as the order system received it.
    #[arg(value_name = "TICKET_ID")]
    pub(crate) ticket_id: String,
}

/// Make a key that signs tickets.
///
/// All fronts of a cluster need the same keys, in a file (`tickets.keys_file`) or in INRUSH_TICKETS_KEYS. The
/// first key signs tickets, all keys verify them. To rotate, put a new key with another id first, and remove the
/// old key when its tickets are no longer needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket new-key > ticket.keys
  inrush ticket new-key --out ticket.keys      readable by its owner only
  inrush ticket new-key --id 1 | cat - old.keys > ticket.keys")]
pub(crate) struct NewKey {
    /// The key's id, 0 to 255; each key in use needs its own.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub(crate) id: u8,
    /// Write the key to a new file that only its owner can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
