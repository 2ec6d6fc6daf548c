//! Buyers who wait in a line and ask when they were told to, until they are no longer waiting.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use inrush_proto::v1::{PollStatusRequest, TicketState, queue_service_client::QueueServiceClient};
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tonic::transport::Channel;

use crate::tickets;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// HOST:PORT of the front.
    #[arg(long)]
    front: String,
    /// File of PollStatusRequests, each with its length in front, one for each buyer, in no order.
    #[arg(long)]
    tickets: PathBuf,
    /// How many buyers.
    #[arg(long)]
    buyers: usize,
    /// Over how many seconds they come, at an even rate.
    #[arg(long)]
    arrive: f64,
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

type Polls = Arc<Mutex<Vec<u64>>>;

/// Prints how many polls there were in each second.
///
/// # Errors
/// If a call fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(poll(arguments))
}

async fn poll(arguments: &Arguments) -> anyhow::Result<()> {
    let clients = tickets::connect(&arguments.front, arguments.connections).await?;
    let tickets = tickets::read(&arguments.tickets, arguments.buyers)?;
    let apart =
        Duration::from_secs_f64(arguments.arrive).div_f64(f64::from(u32::try_from(tickets.len())?.max(1)));
    let started = Instant::now();
    let polls = Polls::default();
    let mut buyers = JoinSet::new();
    for (number, (ticket, client)) in (0..).zip(tickets.into_iter().zip(clients.iter().cycle())) {
        let comes = started + apart * number;
        buyers.spawn(buyer(client.clone(), ticket, comes, started, Arc::clone(&polls)));
    }
    while let Some(buyer) = buyers.join_next().await {
        buyer??;
    }
    let polls = polls.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{}", serde_json::json!({ "polls": *polls }));
    Ok(())
}

/// The first question stands for the Enqueue that told the buyer when to ask, and is not counted.
async fn buyer(
    mut client: QueueServiceClient<Channel>,
    ticket: String,
    comes: Instant,
    started: Instant,
    polls: Polls,
) -> anyhow::Result<()> {
    sleep_until(comes).await;
    loop {
        let response = client.poll_status(PollStatusRequest { ticket: ticket.clone() }).await?.into_inner();
        let status = response.status.unwrap_or_default();
        let after = status.poll_after.and_then(|after| Duration::try_from(after).ok());
        let Some(after) = after.filter(|_| status.state() == TicketState::Waiting) else { return Ok(()) };
        sleep(after).await;
        count(&polls, started.elapsed());
    }
}

fn count(polls: &Polls, at: Duration) {
    let mut polls = polls.lock().unwrap_or_else(PoisonError::into_inner);
    let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
    if polls.len() <= second {
        polls.resize(second + 1, 0);
    }
    if let Some(polls) = polls.get_mut(second) {
        *polls += 1;
    }
}
