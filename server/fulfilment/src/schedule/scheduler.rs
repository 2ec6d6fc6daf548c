//! Decides which sale claims next and when a sale is probed. Sleeps until an announcement, a settled outcome,
//! a released permit or a timer; never polls.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use inrush_core::{
    SaleId, StoreError,
    store::{Backlog, StoreEvent},
};
use tokio::{
    sync::{
        Notify,
        broadcast::{self, error::RecvError},
        mpsc,
    },
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    schedule::claimer::{Claimed, Claimer},
    schedule::recoverer::Recoverer,
    schedule::sale_queue::SaleQueue,
    settings::Backoff,
    stream::in_flight_window::{InFlightWindow, PermitShare},
};

/// Claims in flight, at most one for each sale. More would only queue at the store.
const MAX_CLAIMS_IN_FLIGHT: usize = 32;

/// Probes in flight, at most one for each sale.
const MAX_PROBES_IN_FLIGHT: usize = 16;

/// Queued probes, beyond which the sweep is made to wait.
const MAX_QUEUED_PROBES: usize = 64;

/// How long a few free permits wait for more, so that they share a claim.
const LINGER: Duration = Duration::from_millis(1);

/// A settled outcome has made something claimable.
#[derive(Clone, Debug)]
pub(crate) struct WakeUp {
    pub(crate) sale: SaleId,
    /// The time from which it is claimable.
    pub(crate) at: Instant,
}

/// The inputs of the scheduler.
pub(crate) struct Inputs {
    /// The announcements of the store.
    pub(crate) events: broadcast::Receiver<StoreEvent>,
    /// Sales that the sweep has reached.
    pub(crate) probe_requests: mpsc::Receiver<SaleId>,
    /// Sales in which a settled outcome has made something claimable.
    pub(crate) wakeups: mpsc::Receiver<WakeUp>,
}

/// Gives turns to sales.
pub(crate) struct Scheduler {
    pub(crate) sale_queue: SaleQueue,
    pub(crate) claimer: Claimer,
    pub(crate) recoverer: Recoverer,
    pub(crate) window: Arc<InFlightWindow>,
    /// Notified when announcements were lost, which starts a full sweep.
    pub(crate) missed: Arc<Notify>,
    pub(crate) max_claim_batch: usize,
    pub(crate) backoff: Backoff,
    /// Set while only a few permits are free: the time until which they wait for more.
    pub(crate) linger_until: Option<Instant>,
}

/// The reply to a store call.
struct Reply {
    sale: SaleId,
    result: Result<StoreReply, StoreError>,
}

enum StoreReply {
    Claimed(Claimed),
    Probed(Backlog),
}

type Calls = FuturesUnordered<BoxFuture<'static, Reply>>;

impl Scheduler {
    /// Runs until cancelled, then finishes the calls in flight: what they claim must not be lost.
    pub(crate) async fn run(mut self, mut inputs: Inputs, stop: CancellationToken) {
        let mut calls = Calls::new();
        let mut subscribed = true;
        loop {
            self.sale_queue.fire_timers(Instant::now());
            self.start_probes(&calls);
            self.start_claims(&calls);
            let wake_at = self.wake_at();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(reply) = calls.next() => self.apply(reply),
                event = inputs.events.recv(), if subscribed => subscribed = self.on_event(event),
                Some(wakeup) = inputs.wakeups.recv() => self.sale_queue.wake(&wakeup.sale, wakeup.at, Instant::now()),
                Some(sale) = inputs.probe_requests.recv(), if self.sale_queue.queued_probes() < MAX_QUEUED_PROBES => {
                    self.sale_queue.probe_if_idle(&sale, Instant::now());
                }
                () = self.window.permit_released(), if self.sale_queue.has_turns() => {}
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
            }
        }
        // Dropped, so that senders do not block on channels that are no longer read.
        drop(inputs);
        while calls.next().await.is_some() {}
    }

    fn start_probes(&mut self, calls: &Calls) {
        while calls.len().saturating_sub(self.sale_queue.claims_in_flight()) < MAX_PROBES_IN_FLIGHT {
            let Some(sale) = self.sale_queue.start_probe() else { return };
            let recoverer = self.recoverer.clone();
            calls.push(Box::pin(async move {
                let result = recoverer.recover(&sale).await.map(StoreReply::Probed);
                Reply { sale, result }
            }));
        }
    }

    /// Shares the free permits among the sales that are ready to claim. Without permits, as while no stream
    /// is up, there are no claims.
    fn start_claims(&mut self, calls: &Calls) {
        if !self.sale_queue.has_turns() {
            return;
        }
        let Some(share) = self.share() else { return };
        while self.sale_queue.has_turns() && self.sale_queue.claims_in_flight() < MAX_CLAIMS_IN_FLIGHT {
            let Some(permits) = self.window.reserve(share.min(self.max_claim_batch)) else { return };
            let Some(sale) = self.sale_queue.start_claim() else { return };
            let claimer = self.claimer.clone();
            calls.push(Box::pin(async move {
                let result = claimer.claim(&sale, permits).await.map(StoreReply::Claimed);
                Reply { sale, result }
            }));
        }
    }

    /// Permits for each contender; `None` if there are none, or if waiting for more is better.
    fn share(&mut self) -> Option<usize> {
        let share = match self.window.share(self.sale_queue.contenders()) {
            PermitShare::None => None,
            PermitShare::Enough(permits) => Some(permits),
            PermitShare::Few(permits) => {
                let now = Instant::now();
                let until = *self.linger_until.get_or_insert(now + LINGER);
                if now < until {
                    return None;
                }
                Some(permits)
            }
        };
        self.linger_until = None;
        share
    }

    /// When to continue if no event arrives before.
    fn wake_at(&self) -> Option<Instant> {
        let lingered = self.linger_until.filter(|_| self.sale_queue.has_turns());
        [self.sale_queue.next_timer(), lingered].into_iter().flatten().min()
    }

    fn apply(&mut self, Reply { sale, result }: Reply) {
        let now = Instant::now();
        match result {
            Ok(StoreReply::Claimed(Claimed { entries, backlog })) => {
                self.sale_queue.claimed(&sale, entries, &backlog, now);
            }
            Ok(StoreReply::Probed(backlog)) => self.sale_queue.probed(&sale, &backlog, now),
            Err(StoreError::SaleNotFound(_)) => {
                self.recoverer.metrics.sale_gauges.remove(&sale);
                self.sale_queue.remove(&sale);
            }
            Err(error) => {
                tracing::debug!(%sale, %error, "store call failed; retrying");
                self.sale_queue.failed(&sale, |failures| self.backoff.delay(failures), now);
            }
        }
    }

    /// Returns false when the store has shut down and sends no more announcements.
    fn on_event(&mut self, event: Result<StoreEvent, RecvError>) -> bool {
        let now = Instant::now();
        match event {
            Ok(StoreEvent::Work(sale)) => {
                self.recoverer.metrics.sale_gauges.on_announcement(&sale);
                self.sale_queue.wake(&sale, now, now);
            }
            Ok(StoreEvent::Admission(sale)) => self.recoverer.metrics.sale_gauges.on_announcement(&sale),
            Ok(StoreEvent::Missed) | Err(RecvError::Lagged(_)) => self.missed.notify_one(),
            Err(RecvError::Closed) => return false,
        }
        true
    }
}
