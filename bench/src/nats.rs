//! NATS JetStream used as a capped line: a stream that refuses what is beyond its limit, one message for each subject,
//! so that a buyer who is in it is refused a second place. Publishes without waiting, so many at a time, until all are
//! acknowledged.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, StorageType},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Builder;

/// How long one acknowledgement may take.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Of the stream, and the first part of its subjects.
const STREAM: &str = "line";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// nats://HOST:PORT
    #[arg(long)]
    server: String,
    /// How many messages are published, to as many subjects.
    #[arg(long)]
    messages: u64,
    /// How many wait for their acknowledgement at once.
    #[arg(long, default_value_t = 200)]
    in_flight: usize,
}

/// Publishes and prints how long it took.
///
/// # Errors
/// If the server is away or refuses a message.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(publish(arguments))
}

async fn publish(arguments: &Arguments) -> anyhow::Result<()> {
    let client = async_nats::connect(&arguments.server).await.context("cannot connect to NATS")?;
    let mut context = jetstream::new(client);
    context.set_timeout(ACKNOWLEDGED_WITHIN);
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
