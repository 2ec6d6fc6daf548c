//! Releases orders whose payment is overdue, and tells the queue until it has taken note.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    front_client::{Front, Release},
    order_store::{BookError, OrderBook},
    statistics::Statistics,
};

/// Orders released in one transaction, and releases told in one round.
const BATCH: u32 = 256;
/// Releases told at the same time.
const CALLS: usize = 16;
/// After a failure: the first pause and the longest; it doubles in between.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// How often to look, as a share of the payment timeout, and the bounds of that.
const LOOKS_PER_TIMEOUT: u32 = 10;
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Releaser {
    /// Where orders are kept.
    pub(crate) book: OrderBook,
    /// Whom to tell; nobody without one.
    pub(crate) front: Option<Front>,
    /// What is done is counted here.
    pub(crate) statistics: Statistics,
    /// How long orders may stay unpaid.
    pub(crate) payment_timeout: Duration,
}

/// What a round has left.
enum Round {
    /// Nothing, as far as can be seen.
    Idle,
    /// A full batch: there is probably more.
    Busy,
    /// What it has, because something failed.
    Failed,
}

impl Releaser {
    /// Works until the shutdown; calls that have begun are finished. What is left is done after the next start.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let pause = (self.payment_timeout / LOOKS_PER_TIMEOUT).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut backoff = FIRST_BACKOFF;
        while !shutdown.is_cancelled() {
            let wait = match self.round(&shutdown).await {
                Round::Busy => continue,
                Round::Idle => {
                    backoff = FIRST_BACKOFF;
                    pause
                }
                Round::Failed => {
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    backoff
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Units go back on sale here first; only then may the queue admit somebody for them.
    async fn round(&self, shutdown: &CancellationToken) -> Round {
        let released = match self.book.release_overdue(BATCH).await {
            Ok(released) => released,
            Err(error) => return failed("unpaid orders cannot be released", &error),
        };
        self.statistics.released(u64::from(released));
        let told = match &self.front {
            Some(front) => self.tell(front, shutdown).await,
            None => Round::Idle,
        };
        match told {
            Round::Idle if released == BATCH => Round::Busy,
            Round::Idle | Round::Busy | Round::Failed => told,
        }
    }

    async fn tell(&self, front: &Front, shutdown: &CancellationToken) -> Round {
        let tickets = match self.book.unacknowledged_releases(BATCH).await {
            Ok(tickets) => tickets,
            Err(error) => return failed("releases cannot be read", &error),
        };
        let full = tickets.len() == BATCH as usize;
        let told = tell_all(front, tickets, shutdown).await;
        if let Err(error) = self.remember(&told).await {
            return failed("acknowledged releases cannot be noted", &error);
        }
        match told.away {
            Some(status) => {
                warn!(%status, "the front cannot be told of released orders; check front");
                Round::Failed
            }
            None if full => Round::Busy,
            None => Round::Idle,
        }
    }

    async fn remember(&self, told: &Told) -> Result<(), BookError> {
        if !told.acknowledged.is_empty() {
            self.book.acknowledge_releases(&told.acknowledged).await?;
            self.statistics.acknowledged(told.acknowledged.len() as u64);
        }
        if !told.postponed.is_empty() {
            self.book.postpone_releases(&told.postponed).await?;
        }
        Ok(())
    }
}

/// What the front made of a round of releases.
#[derive(Default)]
struct Told {
    acknowledged: Vec<String>,
    postponed: Vec<String>,
    away: Option<tonic::Status>,
}

/// Tells the front of several releases at a time, and starts no more once it turns out to be away or the system shuts
/// down.
async fn tell_all(front: &Front, tickets: Vec<String>, shutdown: &CancellationToken) -> Told {
    let mut told = Told::default();
    let answers = stream::iter(tickets)
        .take_until(shutdown.cancelled())
        .map(|ticket_id| async move {
            let release = front.release(&ticket_id).await;
            (ticket_id, release)
        })
        .buffer_unordered(CALLS);
    let mut answers = pin!(answers);
    while let Some((ticket_id, release)) = answers.next().await {
        match release {
            Release::Acknowledged => told.acknowledged.push(ticket_id),
            Release::NotYet(status) => {
                tracing::debug!(ticket_id, %status, "the front cannot take note of a release yet");
                told.postponed.push(ticket_id);
            }
            Release::Away(status) => {
                told.away = Some(status);
                break;
            }
        }
    }
    told
}

fn failed(what: &str, error: &BookError) -> Round {
    warn!(%error, "{what}; trying again");
    Round::Failed
}
