//! `inrush ticket …`: the calls of a buyer's application, and keys that sign tickets.

mod key;
mod view;

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use futures_util::StreamExt as _;
use inrush_client::{Cancellation, Enqueued, Ticket, TicketStatus};

use crate::{
    cli::ticket::{Enqueue, SignedTicket, TicketArgs, TicketCommand},
    connection::Connection,
    error,
    interrupt::until_interrupted,
    output::Output,
    settings::Settings,
};

use self::view::Answer;

/// The argument that reads a ticket or a file from standard input.
const STANDARD_INPUT: &str = "-";

/// The maximum size of standard input or a file, in bytes. It is above the limits of payloads and tickets, so
/// that the server reports an input that is too large.
const MAX_INPUT_SIZE: u64 = 64 * 1024;

/// Runs the command and prints the response.
///
/// # Errors
/// If the call fails; the error has two lines, what happened and the remedy.
pub(crate) async fn run(args: TicketArgs, settings: &Settings) -> anyhow::Result<()> {
    let output = Output::new(args.client.json);
    match args.command {
        TicketCommand::Enqueue(enqueue) => enqueue_buyer(settings, &output, enqueue).await,
        TicketCommand::Show(show) => {
            let ticket = read_ticket(&show.which)?;
            let connection = Connection::open(settings).await?;
            Ok(output.show(&connection.answer(connection.client().poll(&ticket)).await?)?)
        }
        TicketCommand::Watch(watch) => {
            let ticket = read_ticket(&watch.which)?;
            follow(&Connection::open(settings).await?, &output, &ticket).await
        }
        TicketCommand::Cancel(cancel) => {
            let ticket = read_ticket(&cancel.which)?;
            let connection = Connection::open(settings).await?;
            let cancellation = connection.answer(connection.client().cancel(&ticket)).await?;
            output.show(&cancellation)?;
            require_cancelled(&cancellation)
        }
        TicketCommand::Release(release) => {
            let connection = Connection::open(settings).await?;
            let settlement = connection.client().settlement();
            Ok(output.show(&connection.answer(settlement.release_order(release.ticket_id)).await?)?)
        }
        TicketCommand::NewKey(new_key) => key::make(&new_key, &output),
    }
}

async fn enqueue_buyer(settings: &Settings, output: &Output, enqueue: Enqueue) -> anyhow::Result<()> {
    let Enqueue { sale_id, buyer_id, units, payload, payload_file, watch } = enqueue;
    let payload = match (payload, payload_file) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(file)) => read_input(&file)?,
        (None, None) => Vec::new(),
    };
    let connection = Connection::open(settings).await?;
    let call = connection.client().enqueue(sale_id.as_str(), buyer_id, units.0, payload);
    let outcome = connection.answer(call).await?;
    let answer = Answer { sale_id, outcome };
    output.show(&answer)?;
    match &answer.outcome {
        Enqueued::Queued { ticket, status, .. } if watch && !status.state.is_final() => {
            follow(&connection, output, ticket).await
        }
        Enqueued::Queued { .. } | Enqueued::Refused(_) | Enqueued::Bypass => Ok(()),
    }
}

/// Prints every change until the ticket is final, or until Ctrl-C.
async fn follow(connection: &Connection, output: &Output, ticket: &Ticket) -> anyhow::Result<()> {
    let mut changes = connection.client().watch(ticket);
    until_interrupted(async {
        while let Some(change) = changes.next().await {
            print_change(output, &change.map_err(|error| connection.explain(&error))?)?;
        }
        Ok(())
    })
    .await
}

fn print_change(output: &Output, status: &TicketStatus) -> io::Result<()> {
    if output.is_json() { output.show(status) } else { output.line(&view::line(status, output)) }
}

fn require_cancelled(cancellation: &Cancellation) -> anyhow::Result<()> {
    match cancellation {
        Cancellation::Cancelled(_) => Ok(()),
        Cancellation::TooLate(status) => Err(error::failure(
            format!("too late to cancel: the ticket is {}", status.state.as_str()),
            "release the units of its order with `inrush ticket release`",
        )),
    }
}

fn read_ticket(which: &SignedTicket) -> anyhow::Result<Ticket> {
    if which.ticket != STANDARD_INPUT {
        return Ok(which.ticket.as_str().into());
    }
    let text = String::from_utf8(read_input(Path::new(STANDARD_INPUT))?);
    let text =
        text.map_err(|_| error::usage("standard input has no ticket", "pipe in one ticket as text"))?;
    Ok(text.trim().into())
}

fn read_input(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if file == Path::new(STANDARD_INPUT) {
        io::stdin().lock().take(MAX_INPUT_SIZE).read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|file| file.take(MAX_INPUT_SIZE).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        error::usage(format!("cannot read {}: {error}", file.display()), "name a file that can be read")
    })?;
    Ok(bytes)
}
