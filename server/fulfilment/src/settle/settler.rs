//! Records outcomes in the store, in batches, with one call in flight for each sale. Outcomes that arrive
//! during a call form the next batch, so batches grow with the load.
//!
//! While the store is unavailable, outcomes are held and retried for as long as it takes: an expired lease
//! that was not reclaimed can still be settled, and only the store can decide that. The window bounds the number of
//! outcomes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use inrush_core::{
    SaleId, Store, StoreError, TicketState,
    store::{Outcome, SettleResult, Settlement},
};
use inrush_telemetry::{Traces, batch_trace::BatchTrace, trace_context::TraceContext};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    metrics::{SettledCounts, WorkerMetrics},
    schedule::scheduler::WakeUp,
    settings::Backoff,
    settle::answer::Answer,
    settle::settle_span::settle,
    statistics::{Counter, Statistics},
    stream::in_flight_window::InFlightWindow,
};

/// Messages received before replies are handled again.
const MAX_MESSAGES_PER_TURN: usize = 64;

/// Records outcomes.
pub(crate) struct Settler {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) window: Arc<InFlightWindow>,
    /// Wakes the scheduler when a settled outcome makes something claimable.
    pub(crate) wakeups: mpsc::Sender<WakeUp>,
    pub(crate) statistics: Statistics,
    pub(crate) metrics: WorkerMetrics,
    /// `None` disables tracing.
    pub(crate) traces: Option<Traces>,
    pub(crate) batch: usize,
    pub(crate) backoff: Backoff,
}

/// Outcomes that wait for their sale's next call. A sale has a queue while it has a call in flight.
type Queues = HashMap<SaleId, Vec<(Settlement, Option<TraceContext>)>>;

type Calls = FuturesUnordered<BoxFuture<'static, Reply>>;

/// Outcomes that are recorded together, and the traces that they belong to.
struct Batch {
    settlements: Vec<Settlement>,
    trace: Option<BatchTrace>,
}

struct Reply {
    sale: SaleId,
    batch: Batch,
    /// Failed calls in a row before this one.
    failures: u32,
    result: Result<Vec<SettleResult>, StoreError>,
}

impl Settler {
    /// Runs until all senders are dropped and all outcomes are recorded.
    pub(crate) async fn run(mut self, mut answers: mpsc::Receiver<Vec<Answer>>) {
        let mut queues = Queues::new();
        let mut calls = Calls::new();
        let mut received = Vec::with_capacity(MAX_MESSAGES_PER_TURN);
        let mut open = true;
        loop {
            tokio::select! {
                messages = answers.recv_many(&mut received, MAX_MESSAGES_PER_TURN), if open => {
                    open = messages > 0;
                    self.enqueue(received.drain(..).flatten(), &mut queues, &calls);
                }
                Some(reply) = calls.next() => {
                    if let Some(wake) = self.on_reply(reply, &mut queues, &calls) {
                        // The scheduler has ended if the worker is shutting down; then nothing is claimed any
                        // more.
                        let _ = self.wakeups.send(wake).await;
                    }
                }
                else => return,
            }
        }
    }

    fn enqueue(&self, answers: impl Iterator<Item = Answer>, queues: &mut Queues, calls: &Calls) {
        let mut without_call = Vec::new();
        for Answer { sale, settlement, trace } in answers {
            match queues.get_mut(&sale) {
                Some(queue) => queue.push((settlement, trace)),
                None => {
                    queues.insert(sale.clone(), vec![(settlement, trace)]);
                    without_call.push(sale);
                }
            }
        }
        for sale in without_call {
            self.start_next(sale, queues, calls);
        }
    }

    /// Starts the sale's next call, or removes its queue if there is nothing to record.
    fn start_next(&self, sale: SaleId, queues: &mut Queues, calls: &Calls) {
        let Some(queue) = queues.get_mut(&sale) else { return };
        let size = self.batch.min(queue.len());
        if size == 0 {
            queues.remove(&sale);
            return;
        }
        let (settlements, traces): (Vec<_>, Vec<_>) = queue.drain(..size).unzip();
        let trace = BatchTrace::from_members(traces.into_iter().flatten());
        calls.push(self.call(sale, Batch { settlements, trace }, 0, Duration::ZERO));
    }

    fn call(&self, sale: SaleId, batch: Batch, failures: u32, delay: Duration) -> BoxFuture<'static, Reply> {
        let (store, traces) = (Arc::clone(&self.store), self.traces.clone());
        Box::pin(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            let result = match (&traces, &batch.trace) {
                (Some(traces), Some(trace)) => {
                    settle(&*store, traces, trace, &sale, &batch.settlements).await
                }
                _ => store.settle(&sale, &batch.settlements).await,
            };
            Reply { sale, batch, failures, result }
        })
    }

    /// Handles a reply. Returns a wake-up if the outcomes made something claimable.
    fn on_reply(&mut self, reply: Reply, queues: &mut Queues, calls: &Calls) -> Option<WakeUp> {
        let Reply { sale, batch, failures, result } = reply;
        let settlements = &batch.settlements;
        let claimable_at = match result {
            Ok(settled) => self.count(&sale, settlements, &settled),
            Err(
                error @ (StoreError::Unavailable(_)
                | StoreError::RefusesWrites(..)
                | StoreError::AccessDenied(_)
                | StoreError::Unsuitable(_)),
            ) => {
                // Why a store fails is logged once for all of its operations, by what observes it.
                tracing::debug!(%sale, %error, outcomes = settlements.len(), "settling failed; retrying");
                let failures = failures.saturating_add(1);
                calls.push(self.call(sale, batch, failures, self.backoff.delay(failures)));
                return None;
            }
            Err(error @ (StoreError::SaleNotFound(_) | StoreError::Corrupt(_))) => {
                let first = settlements.first();
                tracing::error!(%sale, %error, outcomes = settlements.len(), ?first, "outcomes dropped; cannot be settled");
                self.statistics.add(Counter::Abandoned, settlements.len());
                None
            }
        };
        self.window.settled(settlements.len());
        self.start_next(sale.clone(), queues, calls);
        claimable_at.map(|at| WakeUp { sale, at })
    }

    /// Counts the settled outcomes. Returns the time from which they make something claimable.
    fn count(&self, sale: &SaleId, settlements: &[Settlement], settled: &[SettleResult]) -> Option<Instant> {
        let now = Instant::now();
        let (mut counts, mut stale) = (SettledCounts::default(), 0);
        let mut claimable_at: Option<Instant> = None;
        let mut wake =
            |at: Instant| claimable_at = Some(claimable_at.map_or(at, |earliest| earliest.min(at)));
        for (settlement, settled) in settlements.iter().zip(settled) {
            match (settled, &settlement.outcome) {
                (SettleResult::Stale, _) => stale += 1,
                (SettleResult::Done(TicketState::Ordered), _) => counts.ordered += 1,
                // Its units are free for the next ticket in the queue.
                (SettleResult::Done(TicketState::Rejected), _) => {
                    counts.rejected += 1;
                    wake(now);
                }
                (SettleResult::Done(TicketState::Dead), _) => counts.dead += 1,
                (SettleResult::Done(_), Outcome::Retry { after, .. }) => {
                    counts.retried += 1;
                    wake(now + *after);
                }
                (SettleResult::Done(_), Outcome::Ordered { .. } | Outcome::Rejected { .. }) => {}
            }
        }
        self.metrics.settled(sale, counts);
        for (counter, count) in [
            (Counter::Ordered, counts.ordered),
            (Counter::Rejected, counts.rejected),
            (Counter::Retried, counts.retried),
            (Counter::Dead, counts.dead),
            (Counter::Stale, stale),
        ] {
            self.statistics.add(counter, count);
        }
        if counts.dead > 0 {
            tracing::warn!(
                %sale,
                tickets = counts.dead,
                "tickets are dead after their last attempt; redrive or discard them"
            );
        }
        claimable_at
    }
}
