//! Waiting buyers who poll after `poll_after` until they no longer wait.

use std::{path::PathBuf, sync::Arc, time::Duration};

use inrush_proto::v1::{PollStatusRequest, TicketState, queue_service_client::QueueServiceClient};
use parking_lot::Mutex;
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
    /// File of length-prefixed PollStatusRequests, one for each buyer, in random order.
    #[arg(long)]
    tickets: PathBuf,
    /// The number of buyers.
    #[arg(long)]
    buyers: usize,
    /// Seconds over which they arrive, at an even rate.
    #[arg(long)]
    arrive: f64,
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

type Polls = Arc<Mutex<Vec<u64>>>;

/// Prints the number of polls in each second.
///
/// # Errors
/// If a call fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(poll(arguments))
}

async fn poll(arguments: &Arguments) -> anyhow::Result<()> {
    let clients = tickets::connect(&arguments.front, arguments.connections).await?;
    let tickets = tickets::read(&arguments.tickets, arguments.buyers)?;
    let interval =
        Duration::from_secs_f64(arguments.arrive).div_f64(f64::from(u32::try_from(tickets.len())?.max(1)));
    let started = Instant::now();
    let polls = Polls::default();
    let mut buyers = JoinSet::new();
    for (number, (ticket, client)) in (0..).zip(tickets.into_iter().zip(clients.iter().cycle())) {
        let arrival = started + interval * number;
        buyers.spawn(buyer(client.clone(), ticket, arrival, started, Arc::clone(&polls)));
    }
    while let Some(buyer) = buyers.join_next().await {
        buyer??;
    }
    let polls = polls.lock();
    println!("{}", serde_json::json!({ "polls": *polls }));
    Ok(())
}

/// The first poll takes the place of the Enqueue whose response has `poll_after`, and is not counted.
async fn buyer(
    mut client: QueueServiceClient<Channel>,
    ticket: String,
    arrival: Instant,
    started: Instant,
    polls: Polls,
) -> anyhow::Result<()> {
    sleep_until(arrival).await;
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
    let mut polls = polls.lock();
    let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
    if polls.len() <= second {
        polls.resize(second + 1, 0);
    }
    if let Some(polls) = polls.get_mut(second) {
        *polls += 1;
    }
}
