//! Releases orders whose payment is overdue, and notifies the front until it has recorded the release.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use inrush_runtime::backoff::Backoff;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    front_client::{FrontClient, Release},
    order_store::{OrderStore, OrderStoreError, SaleKey, UnacknowledgedRelease},
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

/// A release is given up once the front has not had its ticket for this time. A store that was empty after a failure is
/// restored until then.
const NOT_FOUND_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);
/// Sales of which that time is measured. The releases of further ones are not given up.
const MAX_NOT_FOUND_SALES: usize = 1_024;

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
        let mut not_found = NotFoundSales::default();
        let interval =
            (self.payment_timeout / CHECKS_PER_TIMEOUT).clamp(MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL);
        let mut failures = 0_u32;
        while !shutdown.is_cancelled() {
            let wait = match self.round(&mut not_found, &shutdown).await {
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
    async fn round(&self, not_found: &mut NotFoundSales, shutdown: &CancellationToken) -> RoundResult {
        let released = match self.store.release_overdue(BATCH).await {
            Ok(released) => released,
            Err(error) => return failed("releasing unpaid orders", &error),
        };
        self.statistics.released(u64::from(released));
        let notified = match &self.front {
            Some(front) => self.notify(front, not_found, shutdown).await,
            None => RoundResult::Idle,
        };
        match notified {
            RoundResult::Idle if released == BATCH => RoundResult::Busy,
            RoundResult::Idle | RoundResult::Busy | RoundResult::Failed => notified,
        }
    }

    async fn notify(
        &self,
        front: &FrontClient,
        not_found: &mut NotFoundSales,
        shutdown: &CancellationToken,
    ) -> RoundResult {
        let releases = match self.store.unacknowledged_releases(BATCH).await {
            Ok(releases) => releases,
            Err(error) => return failed("reading released orders", &error),
        };
        let full = releases.len() == BATCH as usize;
        let mut notified = notify_all(front, releases, shutdown).await;
        notified.decide_not_found(front, not_found).await;
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
        if !notified.given_up.is_empty() {
            self.store.acknowledge_releases(&notified.given_up).await?;
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
    not_found: HashMap<SaleKey, Vec<String>>,
    /// Sales that have tickets at the front.
    found: HashSet<SaleKey>,
    given_up: Vec<String>,
    unavailable: Option<tonic::Status>,
}

impl Notifications {
    /// Gives the releases up whose tickets the front does not have and never will have again, and postpones the others.
    async fn decide_not_found(&mut self, front: &FrontClient, not_found: &mut NotFoundSales) {
        let missing = std::mem::take(&mut self.not_found);
        self.found.iter().for_each(|sale| not_found.forget(sale));
        for (sale, tickets) in missing {
            let is_another = matches!(
                front.sale(&sale.sale_id).await,
                Ok(Some(found)) if sale.created_at > 0 && found.created_at > sale.created_at
            );
            if is_another || not_found.is_over(&sale, Instant::now()) {
                warn!(
                    sale_id = sale.sale_id,
                    created_at = sale.created_at,
                    releases = tickets.len(),
                    is_another,
                    "releases given up: the sale was deleted or created again, and the front does not have its tickets"
                );
                self.given_up.extend(tickets);
            } else {
                self.postponed.extend(tickets);
            }
        }
    }
}

/// Since when the front has not had the tickets of sales.
#[derive(Default)]
struct NotFoundSales(HashMap<SaleKey, Instant>);

impl NotFoundSales {
    /// Whether the tickets of this sale were not found for so long that they are given up.
    fn is_over(&mut self, sale: &SaleKey, now: Instant) -> bool {
        if let Some(since) = self.0.get(sale) {
            return now.saturating_duration_since(*since) >= NOT_FOUND_TIMEOUT;
        }
        if self.0.len() < MAX_NOT_FOUND_SALES {
            self.0.insert(sale.clone(), now);
        }
        false
    }

    fn forget(&mut self, sale: &SaleKey) {
        self.0.remove(sale);
    }
}

/// Notifies the front of several releases at a time. Starts no more once the front is unavailable or the
/// system shuts down.
async fn notify_all(
    front: &FrontClient,
    releases: Vec<UnacknowledgedRelease>,
    shutdown: &CancellationToken,
) -> Notifications {
    let mut notified = Notifications::default();
    let answers = stream::iter(releases)
        .take_until(shutdown.cancelled())
        .map(|UnacknowledgedRelease { ticket_id, sale }| async move {
            let release = front.release(&ticket_id).await;
            (ticket_id, sale, release)
        })
        .buffer_unordered(MAX_CONCURRENT_CALLS);
    let mut answers = pin!(answers);
    while let Some((ticket_id, sale, release)) = answers.next().await {
        match release {
            Release::Acknowledged => {
                notified.found.insert(sale);
                notified.acknowledged.push(ticket_id);
            }
            Release::NotFound => notified.not_found.entry(sale).or_default().push(ticket_id),
            Release::NotYet(status) => {
                tracing::debug!(ticket_id, %status, "front cannot record a release yet");
                notified.found.insert(sale);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_that_are_not_found_are_given_up_after_hours_in_a_row() {
        let (mut not_found, sale, start) = (NotFoundSales::default(), SaleKey::from("shoes"), Instant::now());
        let almost = NOT_FOUND_TIMEOUT - Duration::from_secs(1);
        assert!(!not_found.is_over(&sale, start) && !not_found.is_over(&sale, start + almost));
        not_found.forget(&sale);
        assert!(!not_found.is_over(&sale, start + NOT_FOUND_TIMEOUT), "the front had them in between");
        assert!(not_found.is_over(&sale, start + NOT_FOUND_TIMEOUT * 2));
    }
}
