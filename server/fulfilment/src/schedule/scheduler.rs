//! The scheduler: decides which sale claims next, and when a sale is looked at. It sleeps until an announcement, a
//! settled outcome, a free place, or the time of some sale; it never polls.

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
    log_throttle::Seldom,
    schedule::claimer::{Claimed, Claimer},
    schedule::recoverer::Recoverer,
    schedule::sale_queue::Agenda,
    settings::Backoff,
    stream::in_flight_window::{Share, Window},
};

/// Most claims in flight, one for each sale. More would only wait in the store's queue.
const MOST_CLAIMS: usize = 32;

/// Most looks in flight, one for each sale.
const MOST_LOOKS: usize = 16;

/// Most looks that wait their turn before the sweep is made to wait.
const MOST_LOOKS_WAITING: usize = 64;

/// How long a few free places wait for more, so that they share a claim.
const GATHERING: Duration = Duration::from_millis(1);

/// A settled outcome made something claimable.
#[derive(Clone, Debug)]
pub(crate) struct Stir {
    pub(crate) sale: SaleId,
    /// From when on.
    pub(crate) at: Instant,
}

/// What the scheduler hears.
pub(crate) struct Inputs {
    /// The store's announcements.
    pub(crate) events: broadcast::Receiver<StoreEvent>,
    /// Sales that the sweep names.
    pub(crate) looks: mpsc::Receiver<SaleId>,
    /// Sales in which a settled outcome made something claimable.
    pub(crate) stirs: mpsc::Receiver<Stir>,
}

/// Gives sales their turns.
pub(crate) struct Scheduler {
    pub(crate) agenda: Agenda,
    pub(crate) claimer: Claimer,
    pub(crate) recoverer: Recoverer,
    pub(crate) window: Arc<Window>,
    /// Tells the sweep that announcements were lost.
    pub(crate) missed: Arc<Notify>,
    pub(crate) claim_batch: usize,
    pub(crate) backoff: Backoff,
    pub(crate) warnings: Seldom,
    /// While a few places are free: until when they wait for more.
    pub(crate) gathering_until: Option<Instant>,
}

/// The reply to a store call.
struct Reply {
    sale: SaleId,
    result: Result<Found, StoreError>,
}

enum Found {
    Claimed(Claimed),
    Looked(Backlog),
}

type Calls = FuturesUnordered<BoxFuture<'static, Reply>>;

impl Scheduler {
    /// Runs until told to stop, then finishes the calls that are in flight: what they claim must not be lost.
    pub(crate) async fn run(mut self, mut inputs: Inputs, stop: CancellationToken) {
        let mut calls = Calls::new();
        let mut hears = true;
        loop {
            self.agenda.ring(Instant::now());
            self.start_looks(&calls);
            self.start_claims(&calls);
            let alarm = self.alarm();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(reply) = calls.next() => self.apply(reply),
                event = inputs.events.recv(), if hears => hears = self.hear(event),
                Some(stir) = inputs.stirs.recv() => self.agenda.work(&stir.sale, stir.at, Instant::now()),
                Some(sale) = inputs.looks.recv(), if self.agenda.looks() < MOST_LOOKS_WAITING => {
                    self.agenda.sweep(&sale, Instant::now());
                }
                () = self.window.freed(), if self.agenda.has_turns() => {}
                () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {}
            }
        }
        // Nobody reads these any more, so nobody may wait for them to be read.
        drop(inputs);
        while calls.next().await.is_some() {}
    }

    fn start_looks(&mut self, calls: &Calls) {
        while calls.len().saturating_sub(self.agenda.claims_in_flight()) < MOST_LOOKS {
            let Some(sale) = self.agenda.start_look() else { return };
            let recoverer = self.recoverer.clone();
            calls.push(Box::pin(async move {
                let result = recoverer.recover(&sale).await.map(Found::Looked);
                Reply { sale, result }
            }));
        }
    }

    /// Shares the free places among the sales that want them. No place, no claim: above all while no stream is up.
    fn start_claims(&mut self, calls: &Calls) {
        if !self.agenda.has_turns() {
            return;
        }
        let Some(share) = self.share() else { return };
        while self.agenda.has_turns() && self.agenda.claims_in_flight() < MOST_CLAIMS {
            let Some(places) = self.window.reserve(share.min(self.claim_batch)) else { return };
            let Some(sale) = self.agenda.start_claim() else { return };
            let claimer = self.claimer.clone();
            calls.push(Box::pin(async move {
                let result = claimer.claim(&sale, places).await.map(Found::Claimed);
                Reply { sale, result }
            }));
        }
    }

    /// Places for each contender; none while there are none, or while it is worth waiting for more.
    fn share(&mut self) -> Option<usize> {
        let share = match self.window.share(self.agenda.contenders()) {
            Share::Nothing => None,
            Share::Enough(places) => Some(places),
            Share::Few(places) => {
                let now = Instant::now();
                let until = *self.gathering_until.get_or_insert(now + GATHERING);
                if now < until {
                    return None;
                }
                Some(places)
            }
        };
        self.gathering_until = None;
        share
    }

    /// When to go on if nothing happens before.
    fn alarm(&self) -> Option<Instant> {
        let gathered = self.gathering_until.filter(|_| self.agenda.has_turns());
        [self.agenda.next_alarm(), gathered].into_iter().flatten().min()
    }

    fn apply(&mut self, Reply { sale, result }: Reply) {
        let now = Instant::now();
        match result {
            Ok(Found::Claimed(Claimed { entries, backlog })) => {
                self.agenda.claimed(&sale, entries, &backlog, now);
            }
            Ok(Found::Looked(backlog)) => self.agenda.looked(&sale, &backlog, now),
            Err(StoreError::SaleNotFound(_)) => {
                self.recoverer.metrics.figures.forget(&sale);
                self.agenda.forget(&sale);
            }
            Err(
                error @ (StoreError::Unavailable(_) | StoreError::Unsuitable(_) | StoreError::Corrupt(_)),
            ) => {
                if self.warnings.is_time(now) {
                    tracing::warn!(%sale, "nothing can be claimed, and will be tried again: {error}");
                }
                self.agenda.failed(&sale, |failures| self.backoff.pause(failures), now);
            }
        }
    }

    /// False when there will be no more announcements: the store is being taken down.
    fn hear(&mut self, event: Result<StoreEvent, RecvError>) -> bool {
        let now = Instant::now();
        match event {
            Ok(StoreEvent::Work(sale)) => {
                self.recoverer.metrics.figures.announced(&sale);
                self.agenda.work(&sale, now, now);
            }
            Ok(StoreEvent::Admission(sale)) => self.recoverer.metrics.figures.announced(&sale),
            Ok(StoreEvent::Missed) | Err(RecvError::Lagged(_)) => self.missed.notify_one(),
            Err(RecvError::Closed) => return false,
        }
        true
    }
}
