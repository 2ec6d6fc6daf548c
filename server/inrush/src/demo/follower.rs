//! Follows every waiting ticket to its end, asking for many at once and never before the server said to.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use inrush_client::{Client, Ticket, TicketState, TicketStatus};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{counters::Counters, evidence::Buyer};

/// Tickets in one call.
const AT_A_TIME: usize = 256;

/// Calls under way at once.
const CALLS: usize = 16;

/// When to ask again where the server did not say, or the call failed.
const FALLBACK: Duration = Duration::from_secs(1);

/// A ticket on its way to its end.
#[derive(Debug)]
pub(crate) struct Followed {
    due: Instant,
    buyer: Buyer,
    ticket: Ticket,
    seq: u64,
    state: TicketState,
    position: Option<u64>,
}

impl Followed {
    /// A ticket that stands as `status` says.
    pub(crate) fn new(buyer: Buyer, ticket: Ticket, seq: u64, status: &TicketStatus) -> Self {
        let due = Instant::now() + status.poll_after.unwrap_or_default();
        Self { due, buyer, ticket, seq, state: status.state, position: status.position }
    }
}

/// The earliest due comes first out of the heap.
impl Ord for Followed {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}

impl PartialOrd for Followed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Followed {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Followed {}

/// Signals to the follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// Everything is decided: ask for all that is left now.
    pub(crate) hurry: CancellationToken,
    /// Nothing more is going to happen: stop, whatever is left.
    pub(crate) give_up: CancellationToken,
}

/// Follows the tickets that come in until all have ended and no more can come, or the signal to give up. Returns
/// the last state each was seen in.
pub(crate) async fn follow(
    client: Client,
    mut incoming: mpsc::Receiver<Followed>,
    signals: Signals,
    counters: Arc<Counters>,
) -> HashMap<u64, TicketState> {
    let mut waiting: BinaryHeap<Followed> = BinaryHeap::new();
    let mut calls = FuturesUnordered::new();
    let mut endings = HashMap::new();
    let (mut open, mut hurried) = (true, false);
    while open || !waiting.is_empty() || !calls.is_empty() {
        let due = waiting.peek().map(|first| first.due);
        tokio::select! {
            () = signals.give_up.cancelled() => break,
            () = signals.hurry.cancelled(), if !hurried => {
                hurried = true;
                waiting = waiting.drain().map(|followed| Followed { due: Instant::now(), ..followed }).collect();
            }
            followed = incoming.recv(), if open => match followed {
                Some(followed) => waiting.push(followed),
                None => open = false,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && calls.len() < CALLS => {
                calls.push(ask(client.clone(), take_due(&mut waiting)));
            }
            Some((asked, answers)) = calls.next() => {
                for followed in learn(asked, answers, &counters) {
                    if followed.state.is_final() {
                        counters.ended.count();
                        endings.insert(followed.seq, followed.state);
                    } else {
                        waiting.push(followed);
                    }
                }
            }
        }
    }
    endings.extend(waiting.into_iter().map(|followed| (followed.seq, followed.state)));
    endings
}

/// The tickets that are due, as many as one call takes.
fn take_due(waiting: &mut BinaryHeap<Followed>) -> Vec<Followed> {
    let now = Instant::now();
    let mut due = Vec::new();
    while due.len() < AT_A_TIME && waiting.peek().is_some_and(|first| first.due <= now) {
        due.extend(waiting.pop());
    }
    due
}

async fn ask(client: Client, asked: Vec<Followed>) -> (Vec<Followed>, Vec<Option<TicketStatus>>) {
    let tickets: Vec<Ticket> = asked.iter().map(|followed| followed.ticket.clone()).collect();
    let answers = match client.poll_many(&tickets).await {
        Ok(answers) => answers.into_iter().map(Result::ok).collect(),
        Err(error) => {
            tracing::warn!(%error, tickets = tickets.len(), "asking where tickets stand failed");
            Vec::new()
        }
    };
    (asked, answers)
}

/// Notes what the answers say. A ticket without an answer stands as before and is asked for again.
fn learn(asked: Vec<Followed>, answers: Vec<Option<TicketStatus>>, counters: &Counters) -> Vec<Followed> {
    let answers = answers.into_iter().chain(std::iter::repeat(None));
    let learned = asked.into_iter().zip(answers).map(|(mut followed, answer)| {
        followed.due =
            Instant::now() + answer.as_ref().and_then(|status| status.poll_after).unwrap_or(FALLBACK);
        if let Some(status) = answer {
            counters.polls.count();
            if let (Some(before), Some(now)) = (followed.position, status.position)
                && now > before
            {
                counters.positions_rose.count();
                tracing::error!(buyer = followed.buyer, before, now, "a position rose");
            }
            followed.position = status.position.or(followed.position);
            followed.state = status.state;
        }
        followed
    });
    learned.collect()
}
