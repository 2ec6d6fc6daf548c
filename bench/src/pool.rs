//! How commands get a connection: one multiplexed connection for all, one from a pool for each batch, or one for each
//! worker for as long as it lives. Several workers send batches to a script that does nothing, one at a time each.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use deadpool_redis::{Config, Pool, Runtime};
use futures_util::future::try_join_all;
use redis::{Cmd, aio::MultiplexedConnection, cmd};
use tokio::runtime::Builder;

/// Does nothing: what is measured is the way to it.
const SCRIPT: &str = "return #ARGV";

/// How long a worker may wait for a connection from the pool.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    #[arg(long, value_enum)]
    way: Way,
    /// Workers, each with one batch on its way at a time.
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// Batches of all workers together.
    #[arg(long, default_value_t = 100_000)]
    batches: usize,
    /// Buyers in a batch, of 16 bytes each.
    #[arg(long, default_value_t = 16)]
    batch: usize,
}

/// How a worker gets its connection.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// All workers share one multiplexed connection.
    Shared,
    /// From a pool with a connection for each worker, for each batch anew.
    Pool,
    /// From the pool once, and kept.
    Kept,
}

/// Sends the batches and prints how long it took.
///
/// # Errors
/// If Redis is away.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(send_all(arguments))
}

async fn send_all(arguments: &Arguments) -> anyhow::Result<()> {
    let shared = redis::Client::open(arguments.store.as_str())?.get_multiplexed_async_connection().await?;
    let hash: String = cmd("SCRIPT")
        .arg("LOAD")
        .arg(SCRIPT)
        .query_async(&mut shared.clone())
        .await
        .context("SCRIPT LOAD")?;
    let pool = Config::from_url(&arguments.store)
        .builder()?
        .max_size(arguments.workers)
        .wait_timeout(Some(CHECKOUT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()?;
    let batch = batch(&hash, arguments.batch);
    let each = arguments.batches.div_ceil(arguments.workers.max(1));
    let started = Instant::now();
    try_join_all((0..arguments.workers).map(|_| work(arguments.way, &shared, &pool, &batch, each))).await?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "batches": each * arguments.workers, "seconds": seconds }));
    Ok(())
}

fn batch(hash: &str, buyers: usize) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(hash).arg(0);
    for buyer in 0..buyers {
        call.arg(format!("{buyer:016x}"));
    }
    call
}

async fn work(
    way: Way,
    shared: &MultiplexedConnection,
    pool: &Pool,
    batch: &Cmd,
    batches: usize,
) -> anyhow::Result<()> {
    match way {
        Way::Shared => send(&mut shared.clone(), batch, batches).await,
        Way::Kept => send(&mut *pool.get().await?, batch, batches).await,
        Way::Pool => {
            for _ in 0..batches {
                send(&mut *pool.get().await?, batch, 1).await?;
            }
            Ok(())
        }
    }
}

async fn send(connection: &mut MultiplexedConnection, batch: &Cmd, batches: usize) -> anyhow::Result<()> {
    for _ in 0..batches {
        batch.query_async::<i64>(connection).await?;
    }
    Ok(())
}
