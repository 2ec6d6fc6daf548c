//! Many watchers of one front node: as many WatchStatus streams as asked for, over a few connections.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::bail;
use inrush_proto::v1::{WatchStatusRequest, queue_service_client::QueueServiceClient};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};
use tonic::transport::Channel;

use crate::tickets;

/// Within this time all streams have told where their ticket stands.
const OPENS_WITHIN: Duration = Duration::from_secs(60);

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

#[derive(Default)]
struct Seen {
    open: AtomicUsize,
    messages: AtomicU64,
    failed: AtomicUsize,
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
    let seen = Arc::new(Seen::default());
    for (ticket, client) in tickets.into_iter().zip(clients.iter().cycle()) {
        tokio::spawn(watcher(client.clone(), ticket, Arc::clone(&seen)));
    }
    let started = Instant::now();
    while seen.open.load(Ordering::Relaxed) < watchers {
        if seen.failed.load(Ordering::Relaxed) > 0 || started.elapsed() > OPENS_WITHIN {
            bail!("only {} of {watchers} streams are open", seen.open.load(Ordering::Relaxed));
        }
        sleep(LOOK).await;
    }
    tell(&serde_json::json!({ "open": watchers, "seconds": started.elapsed().as_secs_f64() }))?;
    for _ in 0..arguments.seconds {
        sleep(Duration::from_secs(1)).await;
        let failed = seen.failed.load(Ordering::Relaxed);
        if failed > 0 {
            bail!("{failed} streams have failed");
        }
        tell(&serde_json::json!({ "messages": seen.messages.load(Ordering::Relaxed) }))?;
    }
    Ok(())
}

async fn watcher(mut client: QueueServiceClient<Channel>, ticket: String, seen: Arc<Seen>) {
    let Ok(stream) = client.watch_status(WatchStatusRequest { ticket }).await else {
        seen.failed.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let mut stream = stream.into_inner();
    let mut first = true;
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(_) => {
                seen.failed.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        if std::mem::take(&mut first) {
            seen.open.fetch_add(1, Ordering::Relaxed);
        } else {
            seen.messages.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn tell(line: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
