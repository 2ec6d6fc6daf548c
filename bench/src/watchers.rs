//! Many watchers of one front node: as many WatchStatus streams as asked for, over a few connections.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::bail;
use inrush_proto::v1::{WatchStatusRequest, queue_service_client::QueueServiceClient};
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{Instant, sleep},
};
use tonic::{Status, transport::Channel};

use crate::tickets;

/// Within this time all streams have told where their ticket stands.
const OPENS_WITHIN: Duration = Duration::from_secs(60);

/// Streams that are being opened at once: fewer than a front refuses some of.
const OPENING: usize = 1_000;

const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// HOST:PORT of the front.
    #[arg(long)]
    front: String,
    /// File of PollStatusRequests, each with its length in front, one for each watcher.
    #[arg(long)]
    tickets: PathBuf,
    #[arg(long)]
    watchers: usize,
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// For how long to watch once all streams are open.
    #[arg(long)]
    seconds: u64,
}

struct Seen {
    opening: Semaphore,
    open: AtomicUsize,
    messages: AtomicU64,
    /// Why the first of them failed, if one did.
    failure: OnceLock<Status>,
}

/// Prints a line once all streams are open, and then every second how many messages came on them since they opened.
///
/// # Errors
/// If the front is away, or a stream is refused.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(watch(arguments))
}

async fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let clients = tickets::connect(&arguments.front, arguments.connections).await?;
    let tickets = tickets::read(&arguments.tickets, arguments.watchers)?;
    let watchers = tickets.len();
    let seen = Arc::new(Seen {
        opening: Semaphore::new(OPENING),
        open: AtomicUsize::default(),
        messages: AtomicU64::default(),
        failure: OnceLock::new(),
    });
    for (ticket, client) in tickets.into_iter().zip(clients.iter().cycle()) {
        tokio::spawn(watcher(client.clone(), ticket, Arc::clone(&seen)));
    }
    let started = Instant::now();
    while seen.open.load(Ordering::Relaxed) < watchers {
        let open = seen.open.load(Ordering::Relaxed);
        if let Some(failure) = seen.failure.get() {
            bail!("a stream failed when {open} of {watchers} were open: {failure}");
        }
        if started.elapsed() > OPENS_WITHIN {
            bail!("only {open} of {watchers} streams are open after {OPENS_WITHIN:?}");
        }
        sleep(LOOK).await;
    }
    tell(&serde_json::json!({ "open": watchers, "seconds": started.elapsed().as_secs_f64() }))?;
    for _ in 0..arguments.seconds {
        sleep(Duration::from_secs(1)).await;
        if let Some(failure) = seen.failure.get() {
            bail!("a stream failed: {failure}");
        }
        tell(&serde_json::json!({ "messages": seen.messages.load(Ordering::Relaxed) }))?;
    }
    Ok(())
}

async fn watcher(client: QueueServiceClient<Channel>, ticket: String, seen: Arc<Seen>) {
    if let Err(failure) = follow(client, ticket, &seen).await {
        // Only the first is told.
        let _ = seen.failure.set(failure);
    }
}

async fn follow(mut client: QueueServiceClient<Channel>, ticket: String, seen: &Seen) -> Result<(), Status> {
    let place = seen.opening.acquire().await;
    let mut stream = client.watch_status(WatchStatusRequest { ticket }).await?.into_inner();
    if stream.message().await?.is_some() {
        seen.open.fetch_add(1, Ordering::Relaxed);
    }
    drop(place);
    while stream.message().await?.is_some() {
        seen.messages.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn tell(line: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
