//! The least that batches can cost Redis: script runs with a key and an entry for each ticket, as they are admitted with,
//! of a script that does nothing. What Inrush costs Redis is compared with it, since it changes with the machine as well.

use redis::Script;
use tokio::runtime::Builder;

use crate::fill;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    /// How many tickets are named in all.
    #[arg(long)]
    tickets: u64,
    /// Tickets in one batch.
    #[arg(long, default_value_t = 256)]
    batch: u64,
}

/// Runs the batches, one after the other.
///
/// # Errors
/// If Redis is away.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(read_only(arguments))
}

async fn read_only(arguments: &Arguments) -> anyhow::Result<()> {
    let client = redis::Client::open(arguments.store.as_str())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let script = Script::new("return #ARGV");
    let mut next = 0;
    while next < arguments.tickets {
        let end = (next + arguments.batch.max(1)).min(arguments.tickets);
        let mut call = script.prepare_invoke();
        for ticket in next..end {
            let entry = fill::request(ticket, 0)?.entry.encode();
            call.key(format!("inrush:{{floor}}:buyers:{ticket}")).arg(entry);
        }
        call.invoke_async::<()>(&mut connection).await?;
        next = end;
    }
    Ok(())
}
