//! NATS JetStream as a capped queue: a stream with a limit and one message per subject, so that a buyer cannot be queued
//! twice. Publishes with many publishes in flight until all are acknowledged.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, StorageType},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Builder;

const ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// The name of the stream, and the first part of its subjects.
const STREAM: &str = "line";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// nats://HOST:PORT
    #[arg(long)]
    server: String,
    /// The number of messages, each to a subject of its own.
    #[arg(long)]
    messages: u64,
    /// Unacknowledged messages in flight.
    #[arg(long, default_value_t = 200)]
    in_flight: usize,
}

/// Publishes and prints how long it took.
///
/// # Errors
/// If the server is unavailable or refuses a message.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(publish(arguments))
}

async fn publish(arguments: &Arguments) -> anyhow::Result<()> {
    let client = async_nats::connect(&arguments.server).await.context("cannot connect to NATS")?;
    let mut context = jetstream::new(client);
    context.set_timeout(ACK_TIMEOUT);
    let line = Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{STREAM}.>")],
        storage: StorageType::Memory,
        max_messages: i64::try_from(arguments.messages)?,
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        ..Config::default()
    };
    let mut line = context.create_stream(line).await?;

    let context = &context;
    let started = Instant::now();
    stream::iter(0..arguments.messages)
        .map(|buyer| async move {
            let acknowledgement = context.publish(format!("{STREAM}.{buyer:016x}"), "1".into()).await?;
            acknowledgement.await?;
            anyhow::Ok(())
        })
        .buffer_unordered(arguments.in_flight)
        .try_collect::<()>()
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    let state = &line.info().await?.state;
    if state.messages != arguments.messages {
        bail!("{} of {} messages are in the stream", state.messages, arguments.messages);
    }
    println!(
        "{}",
        serde_json::json!({ "messages": state.messages, "bytes": state.bytes, "seconds": seconds })
    );
    Ok(())
}
