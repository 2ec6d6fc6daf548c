//! Releases orders whose payment is overdue, and notifies the front until it has recorded the release.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt as _, stream};
use inrush_runtime::backoff::Backoff;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    front_client::{FrontClient, Release},
    order_store::{OrderStore, OrderStoreError},
    statistics::Statistics,
};

/// Orders released in one transaction, and notifications in one round.
const BATCH: u32 = 256;
/// Notifications in flight.
const MAX_CONCURRENT_CALLS: usize = 16;
/// The delays after failures in a row.
const BACKOFF: Backoff =
    Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(5), jitter: 0.5 };
/// The checks per payment timeout, and the bounds of their interval.
const CHECKS_PER_TIMEOUT: u32 = 10;
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(20);
const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Releaser {
    /// The order database.
    pub(crate) store: OrderStore,
    /// The front to notify; `None` to notify none.
    pub(crate) front: Option<FrontClient>,
    /// The counters.
    pub(crate) statistics: Statistics,
    /// The time until an unpaid order is released.
    pub(crate) payment_timeout: Duration,
}

/// The result of a round.
enum RoundResult {
    /// Nothing is left for now.
    Idle,
    /// A full batch was handled: there is probably more.
    Busy,
    /// A step has failed.
    Failed,
}

impl Releaser {
    /// Runs until shutdown; calls in flight are finished. Remaining work is done after the next start.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let interval =
            (self.payment_timeout / CHECKS_PER_TIMEOUT).clamp(MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL);
        let mut failures = 0_u32;
        while !shutdown.is_cancelled() {
            let wait = match self.round(&shutdown).await {
                RoundResult::Busy => continue,
                RoundResult::Idle => {
                    failures = 0;
                    interval
                }
                RoundResult::Failed => {
                    failures = failures.saturating_add(1);
                    BACKOFF.delay(failures)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Units are returned here first; only then may the queue admit a buyer for them.
    async fn round(&self, shutdown: &CancellationToken) -> RoundResult {
        let released = match self.store.release_overdue(BATCH).await {
            Ok(released) => released,
            Err(error) => return failed("releasing unpaid orders", &error),
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
            Err(error) => return failed("reading released orders", &error),
        };
        let full = tickets.len() == BATCH as usize;
        let notified = notify_all(front, tickets, shutdown).await;
        if let Err(error) = self.record(&notified).await {
            return failed("recording acknowledged releases", &error);
        }
        match notified.unavailable {
            Some(status) => {
                warn!(%status, "reporting released orders to the front failed; retrying");
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

/// The front's answers to a round of notifications.
#[derive(Default)]
struct Notifications {
    acknowledged: Vec<String>,
    postponed: Vec<String>,
    unavailable: Option<tonic::Status>,
}

/// Notifies the front of several releases at a time. Starts no more once the front is unavailable or the
/// system shuts down.
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
                tracing::debug!(ticket_id, %status, "front cannot record a release yet");
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
    warn!(%error, "{what} failed; retrying");
    RoundResult::Failed
}
