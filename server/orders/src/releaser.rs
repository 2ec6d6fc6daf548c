//! Releases orders whose payment is overdue, and tells the queue until it has taken note.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    front_client::{FrontClient, Release},
    order_store::{OrderStore, OrderStoreError},
    statistics::Statistics,
};

/// Orders released in one transaction, and releases told in one round.
const BATCH: u32 = 256;
/// Releases told at the same time.
const MAX_CONCURRENT_CALLS: usize = 16;
/// After a failure: the first pause and the longest; it doubles in between.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// How often to look, as a share of the payment timeout, and the bounds of that.
const CHECKS_PER_TIMEOUT: u32 = 10;
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(20);
const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Releaser {
    /// Where orders are kept.
    pub(crate) store: OrderStore,
    /// Whom to tell; nobody without one.
    pub(crate) front: Option<FrontClient>,
    /// What is done is counted here.
    pub(crate) statistics: Statistics,
    /// How long orders may stay unpaid.
    pub(crate) payment_timeout: Duration,
}

/// What a round has left.
enum RoundResult {
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
        let pause = (self.payment_timeout / CHECKS_PER_TIMEOUT).clamp(MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL);
        let mut backoff = FIRST_BACKOFF;
        while !shutdown.is_cancelled() {
            let wait = match self.round(&shutdown).await {
                RoundResult::Busy => continue,
                RoundResult::Idle => {
                    backoff = FIRST_BACKOFF;
                    pause
                }
                RoundResult::Failed => {
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
    async fn round(&self, shutdown: &CancellationToken) -> RoundResult {
        let released = match self.store.release_overdue(BATCH).await {
            Ok(released) => released,
            Err(error) => return failed("unpaid orders cannot be released", &error),
        };
        self.statistics.released(u64::from(released));
        let notified = match &self.front {
            Some(front) => self.notify(front, shutdown).await,
            None => RoundResult::Idle,
        };
        match notified {
            RoundResult::Idle if released == BATCH => RoundResult::Busy,
            RoundResult::Idle | RoundResult::Busy | RoundResult::Failed => notified,
        }
    }

    async fn notify(&self, front: &FrontClient, shutdown: &CancellationToken) -> RoundResult {
        let tickets = match self.store.unacknowledged_releases(BATCH).await {
            Ok(tickets) => tickets,
            Err(error) => return failed("releases cannot be read", &error),
        };
        let full = tickets.len() == BATCH as usize;
        let notified = notify_all(front, tickets, shutdown).await;
        if let Err(error) = self.record(&notified).await {
            return failed("acknowledged releases cannot be noted", &error);
        }
        match notified.unavailable {
            Some(status) => {
                warn!(%status, "the front cannot be notified of released orders; check front");
                RoundResult::Failed
            }
            None if full => RoundResult::Busy,
            None => RoundResult::Idle,
        }
    }

    async fn record(&self, notified: &Notifications) -> Result<(), OrderStoreError> {
        if !notified.acknowledged.is_empty() {
            self.store.acknowledge_releases(&notified.acknowledged).await?;
            self.statistics.acknowledged(notified.acknowledged.len() as u64);
        }
        if !notified.postponed.is_empty() {
            self.store.postpone_releases(&notified.postponed).await?;
        }
        Ok(())
    }
}

/// What the front made of a round of releases.
#[derive(Default)]
struct Notifications {
    acknowledged: Vec<String>,
    postponed: Vec<String>,
    unavailable: Option<tonic::Status>,
}

/// Tells the front of several releases at a time, and starts no more once it turns out to be away or the system shuts
/// down.
async fn notify_all(
    front: &FrontClient,
    tickets: Vec<String>,
    shutdown: &CancellationToken,
) -> Notifications {
    let mut notified = Notifications::default();
    let answers = stream::iter(tickets)
        .take_until(shutdown.cancelled())
        .map(|ticket_id| async move {
            let release = front.release(&ticket_id).await;
            (ticket_id, release)
        })
        .buffer_unordered(MAX_CONCURRENT_CALLS);
    let mut answers = pin!(answers);
    while let Some((ticket_id, release)) = answers.next().await {
        match release {
            Release::Acknowledged => notified.acknowledged.push(ticket_id),
            Release::NotYet(status) => {
                tracing::debug!(ticket_id, %status, "the front cannot take note of a release yet");
                notified.postponed.push(ticket_id);
            }
            Release::Unavailable(status) => {
                notified.unavailable = Some(status);
                break;
            }
        }
    }
    notified
}

fn failed(what: &str, error: &OrderStoreError) -> RoundResult {
    warn!(%error, "{what}; trying again");
    RoundResult::Failed
}
