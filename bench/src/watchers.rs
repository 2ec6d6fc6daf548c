//! Many WatchStatus streams to one front node, over a few connections.

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

/// All streams have their first message within this time.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Streams that are being opened concurrently. A front would refuse some of many more.
const MAX_OPENING: usize = 1_000;

const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// HOST:PORT of the front.
    #[arg(long)]
    front: String,
    /// File of length-prefixed PollStatusRequests, one for each watcher.
    #[arg(long)]
    tickets: PathBuf,
    #[arg(long)]
    watchers: usize,
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// Seconds to watch after all streams are open.
    #[arg(long)]
    seconds: u64,
}

struct Progress {
    opening: Semaphore,
    open: AtomicUsize,
    messages: AtomicU64,
    /// The error of the first stream that failed.
    failure: OnceLock<Status>,
}

/// Prints a line when all streams are open, and then every second the number of messages since then.
///
/// # Errors
/// If the front is unavailable, or a stream is refused.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(watch(arguments))
}

async fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let clients = tickets::connect(&arguments.front, arguments.connections).await?;
    let tickets = tickets::read(&arguments.tickets, arguments.watchers)?;
    let watchers = tickets.len();
    let progress = Arc::new(Progress {
        opening: Semaphore::new(MAX_OPENING),
        open: AtomicUsize::default(),
        messages: AtomicU64::default(),
        failure: OnceLock::new(),
    });
    for (ticket, client) in tickets.into_iter().zip(clients.iter().cycle()) {
        tokio::spawn(watcher(client.clone(), ticket, Arc::clone(&progress)));
    }
    let started = Instant::now();
    while progress.open.load(Ordering::Relaxed) < watchers {
        let open = progress.open.load(Ordering::Relaxed);
        if let Some(failure) = progress.failure.get() {
            bail!("a stream failed when {open} of {watchers} were open: {failure}");
        }
        if started.elapsed() > OPEN_TIMEOUT {
            bail!("only {open} of {watchers} streams are open after {OPEN_TIMEOUT:?}");
        }
        sleep(POLL_INTERVAL).await;
    }
    print_line(&serde_json::json!({ "open": watchers, "seconds": started.elapsed().as_secs_f64() }))?;
    for _ in 0..arguments.seconds {
        sleep(Duration::from_secs(1)).await;
        if let Some(failure) = progress.failure.get() {
            bail!("a stream failed: {failure}");
        }
        print_line(&serde_json::json!({ "messages": progress.messages.load(Ordering::Relaxed) }))?;
    }
    Ok(())
}

async fn watcher(client: QueueServiceClient<Channel>, ticket: String, progress: Arc<Progress>) {
    if let Err(failure) = follow(client, ticket, &progress).await {
        // Only the first error is kept.
        let _ = progress.failure.set(failure);
    }
}

async fn follow(
    mut client: QueueServiceClient<Channel>,
    ticket: String,
    progress: &Progress,
) -> Result<(), Status> {
    let permit = progress.opening.acquire().await;
    let mut stream = client.watch_status(WatchStatusRequest { ticket }).await?.into_inner();
    if stream.message().await?.is_some() {
        progress.open.fetch_add(1, Ordering::Relaxed);
    }
    drop(permit);
    while stream.message().await?.is_some() {
        progress.messages.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn print_line(line: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
