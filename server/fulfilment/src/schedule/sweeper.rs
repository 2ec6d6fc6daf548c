//! The sweep: passes every sale to the scheduler from time to time, in case its announcement was lost.
//!
//! At the start, and whenever announcements are known to be lost, one pass covers all sales at the full rate.
//! Otherwise one pass follows another at the slow rate, which does not depend on the number of sales.

use std::{sync::Arc, time::Duration};

use inrush_core::{SaleId, Store};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::settings::Backoff;

/// Ids read by one command.
const MAX_PAGE: u32 = 256;

/// The shortest interval between the starts of two passes, so that a few idle sales are not probed all the
/// time.
const MIN_PASS_INTERVAL: Duration = Duration::from_secs(5);

/// Goes through all sales and requests a probe of each.
pub(crate) struct Sweeper {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) probe_requests: mpsc::Sender<SaleId>,
    /// Notified when announcements were lost.
    pub(crate) missed: Arc<Notify>,
    pub(crate) rate: u32,
    pub(crate) full_rate: u32,
    pub(crate) backoff: Backoff,
}

impl Sweeper {
    pub(crate) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.sweep() => {}
        }
    }

    async fn sweep(&self) {
        loop {
            self.pass(self.full_rate).await;
            tokio::select! {
                () = self.missed.notified() => {}
                () = self.sweep_slowly() => {}
            }
        }
    }

    async fn sweep_slowly(&self) {
        loop {
            let next_pass = Instant::now() + MIN_PASS_INTERVAL;
            self.pass(self.rate).await;
            sleep_until(next_pass).await;
        }
    }

    /// Requests a probe of every sale once, at most `rate` per second.
    async fn pass(&self, rate: u32) {
        let page = rate.clamp(1, MAX_PAGE);
        let mut after = None;
        loop {
            let ids = self.page(after.as_ref(), page).await;
            let complete = ids.len() < page as usize;
            let interval = Duration::from_secs_f64(f64::from(page) / f64::from(rate.max(1)));
            after = ids.last().cloned();
            for id in ids {
                if self.probe_requests.send(id).await.is_err() {
                    // The scheduler has ended: the process is shutting down.
                    return std::future::pending().await;
                }
            }
            if complete {
                return;
            }
            sleep(interval).await;
        }
    }

    /// Reads one page of ids; retries until the store answers.
    async fn page(&self, after: Option<&SaleId>, limit: u32) -> Vec<SaleId> {
        let mut failures = 0_u32;
        loop {
            match self.store.sale_ids(after, limit as usize).await {
                Ok(ids) => return ids,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    // Why a store fails is logged once for all of its operations, by what observes it.
                    tracing::debug!(%error, "listing sales failed; retrying");
                    sleep(self.backoff.delay(failures)).await;
                }
            }
        }
    }
}
