//! The lower bound of what batches cost Redis: runs of a script that does nothing, with a key and an entry for each ticket
//! as in an admission. The cost of Inrush is compared with it, because both change with the machine.

use futures_util::{TryStreamExt as _, stream};
use redis::Script;
use tokio::runtime::Builder;

use crate::fill;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    /// The total number of tickets.
    #[arg(long)]
    tickets: u64,
    /// Tickets in one batch.
    #[arg(long, default_value_t = 256)]
    batch: u64,
    /// Batches in flight to Redis.
    #[arg(long, default_value_t = 8)]
    batches_in_flight: usize,
}

/// Runs the batches.
///
/// # Errors
/// If Redis is unavailable.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(read_only(arguments))
}

async fn read_only(arguments: &Arguments) -> anyhow::Result<()> {
    let client = redis::Client::open(arguments.store.as_str())?;
    let connection = client.get_multiplexed_async_connection().await?;
    let script = Script::new("return #ARGV");
    let batch = arguments.batch.max(1);
    let starts = (0..arguments.tickets.div_ceil(batch)).map(|number| number * batch);
    stream::iter(starts.map(anyhow::Ok))
        .try_for_each_concurrent(arguments.batches_in_flight, |start| {
            let (mut call, mut connection) = (script.prepare_invoke(), connection.clone());
            async move {
                for ticket in start..(start + batch).min(arguments.tickets) {
                    let entry = fill::request(ticket, 0)?.entry.encode();
                    call.key(format!("inrush:{{floor}}:buyers:{ticket}")).arg(entry);
                }
                Ok(call.invoke_async::<()>(&mut connection).await?)
            }
        })
        .await
}
