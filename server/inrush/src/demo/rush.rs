//! The rush: every buyer asks, at once, and some do more than that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use inrush_client::{Cancellation, Client, Enqueued, RefusalReason, Ticket, TicketStatus};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    counters::Counters,
    evidence::{Acknowledgement, Buyer},
    follower::Followed,
    plan::Plan,
};

/// Longest latency the histogram tells apart, in microseconds.
const LONGEST: u64 = 120_000_000;

/// The rush before it starts.
pub(crate) struct Rush {
    /// Who does what.
    pub(crate) plan: Plan,
    /// Calls the fronts.
    pub(crate) client: Client,
    /// The sale's id.
    pub(crate) sale: String,
    /// How many buyers ask at the same time.
    pub(crate) at_once: u32,
    /// The opening.
    pub(crate) started: Instant,
    /// Counts what happens.
    pub(crate) counters: Arc<Counters>,
    /// Takes tickets that wait.
    pub(crate) follower: mpsc::Sender<Followed>,
}

/// What the rush has seen.
pub(crate) struct Notes {
    /// Every acknowledged Enqueue.
    pub(crate) acknowledgements: Vec<Acknowledgement>,
    /// Tickets that ended by a cancellation.
    pub(crate) cancelled: Vec<u64>,
    /// Latencies of first Enqueues, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// From the opening to the last answer to a first Enqueue.
    pub(crate) took: Duration,
}

impl Notes {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            acknowledgements: Vec::new(),
            cancelled: Vec::new(),
            latencies: Histogram::new_with_bounds(1, LONGEST, 3)?,
            took: Duration::ZERO,
        })
    }

    fn merge(&mut self, other: Self) -> anyhow::Result<()> {
        self.acknowledgements.extend(other.acknowledgements);
        self.cancelled.extend(other.cancelled);
        self.latencies.add(other.latencies)?;
        self.took = self.took.max(other.took);
        Ok(())
    }
}

/// Lets every buyer ask, `at_once` of them at a time. Ends when the last has its answer.
///
/// # Errors
/// When a call stays unanswered in spite of the client's retries, or is answered with an error.
pub(crate) async fn run(rush: Rush) -> anyhow::Result<Notes> {
    let rush = Arc::new(rush);
    let next = Arc::new(AtomicU32::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..rush.at_once {
        lanes.spawn(lane(Arc::clone(&rush), Arc::clone(&next)));
    }
    let mut notes = Notes::new()?;
    while let Some(lane) = lanes.join_next().await {
        notes.merge(lane.context("a buyer's task failed")??)?;
    }
    Ok(notes)
}

/// One buyer after the other, until all have asked.
async fn lane(rush: Arc<Rush>, next: Arc<AtomicU32>) -> anyhow::Result<Notes> {
    let mut notes = Notes::new()?;
    loop {
        let buyer = next.fetch_add(1, Ordering::Relaxed);
        if buyer >= rush.plan.buyers {
            return Ok(notes);
        }
        rush.play(buyer, &mut notes).await.with_context(|| format!("buyer {buyer}"))?;
    }
}

impl Rush {
    async fn play(&self, buyer: Buyer, notes: &mut Notes) -> anyhow::Result<()> {
        let temper = self.plan.temper(buyer);
        let asked = Instant::now();
        let held = self.enqueue(buyer, notes).await?;
        notes.took = self.started.elapsed();
        notes.latencies.saturating_record(u64::try_from(asked.elapsed().as_micros()).unwrap_or(LONGEST));
        self.counters.answered.count();
        let Some((ticket, status)) = held else { return Ok(()) };
        if temper.repeats {
            self.repeat(buyer, notes).await?;
        }
        if temper.cancels && self.cancel(&ticket, &status, notes).await? {
            if temper.comes_back
                && let Some((ticket, status)) = self.enqueue(buyer, notes).await?
            {
                self.follow(buyer, ticket, status).await?;
            }
            return Ok(());
        }
        self.follow(buyer, ticket, status).await
    }

    /// Asks for a unit. None: refused, because nothing is left.
    async fn enqueue(
        &self,
        buyer: Buyer,
        notes: &mut Notes,
    ) -> anyhow::Result<Option<(Ticket, TicketStatus)>> {
        let sent = self.started.elapsed();
        match self.client.enqueue(&self.sale, &buyer_id(buyer), 1, Vec::new()).await? {
            Enqueued::Queued { ticket, status, .. } => {
                let acked = self.started.elapsed();
                notes.acknowledgements.push(Acknowledgement { buyer, seq: seq(&status)?, sent, acked });
                self.counters.queued.count();
                Ok(Some((ticket, status)))
            }
            Enqueued::Refused(refusal) if refusal.reason == RefusalReason::SoldOut => {
                self.counters.refused.count();
                Ok(None)
            }
            Enqueued::Refused(refusal) => bail!("refused with {}", refusal.reason.as_str()),
            Enqueued::Bypass => bail!("sent to the normal purchase flow"),
        }
    }

    /// Asks for what the buyer has already. The checker sees to it that it is told the same ticket again.
    async fn repeat(&self, buyer: Buyer, notes: &mut Notes) -> anyhow::Result<()> {
        let sent = self.started.elapsed();
        match self.client.enqueue(&self.sale, &buyer_id(buyer), 1, Vec::new()).await? {
            Enqueued::Queued { status, .. } => {
                let acked = self.started.elapsed();
                notes.acknowledgements.push(Acknowledgement { buyer, seq: seq(&status)?, sent, acked });
                self.counters.repeated.count();
                Ok(())
            }
            Enqueued::Refused(refusal) => {
                bail!("asked again and was refused with {}", refusal.reason.as_str())
            }
            Enqueued::Bypass => bail!("asked again and was sent to the normal purchase flow"),
        }
    }

    /// Cancels; false when it was too late.
    async fn cancel(
        &self,
        ticket: &Ticket,
        status: &TicketStatus,
        notes: &mut Notes,
    ) -> anyhow::Result<bool> {
        match self.client.cancel(ticket).await? {
            Cancellation::Cancelled(_) => {
                notes.cancelled.push(seq(status)?);
                self.counters.cancelled.count();
                self.counters.ended.count();
                Ok(true)
            }
            Cancellation::TooLate(_) => Ok(false),
        }
    }

    async fn follow(&self, buyer: Buyer, ticket: Ticket, status: TicketStatus) -> anyhow::Result<()> {
        let followed = Followed::new(buyer, ticket, seq(&status)?, &status);
        self.follower.send(followed).await.context("nobody follows the tickets any more")
    }
}

/// The number in a ticket's name.
pub(crate) fn seq(status: &TicketStatus) -> anyhow::Result<u64> {
    let number = status.ticket_id.rsplit('/').next().and_then(|seq| seq.parse().ok());
    number.with_context(|| format!("{:?} names no ticket", status.ticket_id))
}

/// The id of a buyer, 16 bytes like a real one.
pub(crate) fn buyer_id(buyer: Buyer) -> String {
    format!("buyer-{buyer:010}")
}

/// The buyer of an id made by [`buyer_id`].
pub(crate) fn buyer_of(id: &str) -> anyhow::Result<Buyer> {
    let number = id.strip_prefix("buyer-").and_then(|number| number.parse().ok());
    number.with_context(|| format!("{id:?} is no buyer of the demo"))
}
