//! Measures how busy fulfilment keeps an order system of a known capacity: both in this process with a real socket
//! between them, on a Redis whose queue was filled before and is long enough.

use std::time::Duration;

use anyhow::bail;
use inrush_fulfilment::{FulfilmentSettings, Parts, Statistics};
use inrush_proto::v1::order_creation_service_server::OrderCreationServiceServer;
use inrush_runtime::shutdown::Shutdown;
use inrush_store::redis::{RedisSettings, RedisStore};
use inrush_telemetry::Metrics;
use tokio::{
    runtime::Builder,
    time::{Instant, interval_at},
};
use tonic::transport::{Server, server::TcpIncoming};

use crate::order_system::{Capacity, OrderSystem};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// redis://HOST:PORT
    #[arg(long)]
    store: String,
    /// Seconds to measure.
    #[arg(long)]
    seconds: u32,
    #[command(flatten)]
    capacity: Capacity,
    /// Maximum of entries in flight; by default that of fulfilment.
    #[arg(long)]
    ceiling: Option<usize>,
    /// Minimum of the in-flight limit; by default that of fulfilment.
    #[arg(long)]
    floor: Option<usize>,
}

/// Prints for each second how many tickets were ordered, and the in-flight limit at its end.
///
/// # Errors
/// If the store is unavailable, or fulfilment fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(watch(arguments))
}

async fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let store = RedisStore::connect(RedisSettings::new(&arguments.store)).await?;
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?.with_nodelay(Some(true));
    let default = FulfilmentSettings::default();
    let settings = FulfilmentSettings {
        orders: vec![format!("http://{}", incoming.local_addr()?)],
        max_concurrency: arguments.ceiling.unwrap_or(default.max_concurrency),
        min_concurrency: arguments.floor.unwrap_or(default.min_concurrency),
        // Entries in flight are not waited for at the end.
        drain_timeout: Duration::ZERO,
        ..default
    };
    let orders = OrderSystem { capacity: arguments.capacity };
    let server = Server::builder().add_service(OrderCreationServiceServer::new(orders));
    tokio::spawn(server.serve_with_incoming(incoming));

    let (shutdown, statistics) = (Shutdown::new(), Statistics::default());
    let parts =
        Parts { settings, store, statistics: statistics.clone(), metrics: Metrics::default(), traces: None };
    let worker = tokio::spawn(inrush_fulfilment::run(parts, shutdown.clone()));
    let mut seconds = interval_at(Instant::now() + Duration::from_secs(1), Duration::from_secs(1));
    let (mut rates, mut limits, mut before) = (Vec::new(), Vec::new(), 0);
    for _ in 0..arguments.seconds {
        seconds.tick().await;
        if worker.is_finished() {
            bail!("fulfilment exited early");
        }
        let counts = statistics.counts();
        rates.push(counts.ordered - before);
        limits.push(counts.concurrency);
        before = counts.ordered;
    }
    shutdown.start("the measurement is complete");
    worker.await??;
    println!("{}", serde_json::json!({ "rates": rates, "limits": limits }));
    Ok(())
}
