//! What the threads of a sale share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use inrush_proto::v1::Ledger;
use inrush_report::measure::Timeline;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use crate::order_system::OrderLog;

/// Width of the intervals in which latencies over time are shown, at first.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// How far a sale is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Buyers arrive, wait and are served.
    Rush,
    /// The sale is at rest: every ticket is polled once more.
    FinalCheck,
    /// The time limit of the final check is over.
    Over,
}

/// Counts of a running sale; all of them only rise.
#[derive(Debug, Default)]
pub struct Counters {
    /// Buyers who arrived.
    pub arrived: Counter,
    /// Buyers whose first request was answered.
    pub answered: Counter,
    /// Tickets given out.
    pub queued: Counter,
    /// Buyers who were refused.
    pub refused: Counter,
    /// Buyers who were sent to the normal purchase flow.
    pub bypassed: Counter,
    /// Tickets that were cancelled.
    pub cancelled: Counter,
    /// Repeated requests of waiting buyers, answered with the ticket they had.
    pub repeated: Counter,
    /// Answers to where a ticket stands.
    pub polls: Counter,
    /// Answers on WatchStatus streams.
    pub changes: Counter,
    /// Buyers whose patience was used up.
    pub left: Counter,
    /// Tickets whose buyers got their order.
    pub learned: Counter,
    /// Orders that are to be released: not paid, and not released yet.
    pub unpaid: Counter,
    /// Orders that were released.
    pub released: Counter,
    /// Calls that failed and were made again.
    pub failures: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A sale at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Moment {
    /// Seconds since the opening.
    pub at_s: f64,
    /// Buyers who have arrived.
    pub arrived: u64,
    /// Buyers whose first request was answered.
    pub answered: u64,
    /// Buyers who were refused.
    pub refused: u64,
    /// Waiting tickets.
    pub waiting: u64,
    /// Tickets whose order is being made.
    pub in_flight: u64,
    /// Units with an order.
    pub ordered: u64,
    /// Tickets whose order was released.
    pub released: u64,
    /// Orders that are not paid and will be released, as far as they are known.
    pub unpaid: u64,
}

/// The state on the servers at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerView {
    /// The sale's ledger.
    pub ledger: Ledger,
    /// Orders that the order system has not settled yet, where it can be asked.
    pub unsettled: Option<u64>,
}

/// What the threads of a sale share.
#[derive(Debug)]
pub struct Shared {
    phase: AtomicU8,
    /// What happens.
    pub counters: Counters,
    /// The calls so far. Threads add to it a few times a second.
    calls: Mutex<Timeline>,
    /// When the last buyer so far had its first answer, in nanoseconds since the opening.
    last_first_answer: AtomicU64,
    /// Cancellations that were sent, and may have happened.
    pub cancels_sent: AtomicU64,
    /// The log of the simulation's own order system.
    pub log: Option<Arc<OrderLog>>,
    /// Credit of the simulation's order system: unanswered entries per stream.
    pub credit: u64,
}

impl Shared {
    /// A sale about to open.
    pub fn new(log: Option<Arc<OrderLog>>, credit: u64) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Rush as u8),
            counters: Counters::default(),
            calls: Mutex::new(Timeline::new(INTERVAL)),
            last_first_answer: AtomicU64::new(0),
            cancels_sent: AtomicU64::new(0),
            log,
            credit,
        }
    }

    /// The calls so far.
    pub fn calls(&self) -> MutexGuard<'_, Timeline> {
        self.calls.lock()
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Acquire);
        [Phase::Rush, Phase::FinalCheck]
            .into_iter()
            .find(|known| *known as u8 == phase)
            .unwrap_or(Phase::Over)
    }

    /// Says how far it is.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Tickets that were delivered to the simulation's own order system; `None` without one.
    pub fn delivered(&self) -> Option<u64> {
        self.log.as_ref().map(|log| log.distinct_deliveries())
    }

    /// Maximum number of tickets that were claimed and not delivered to the simulation's order system yet.
    pub fn on_the_way(&self) -> u64 {
        let streams = self.log.as_ref().map_or(1, |log| log.streams().max(1));
        self.credit.saturating_mul(streams)
    }

    /// A buyer had its first answer.
    pub fn first_answer(&self, at: Duration) {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.last_first_answer.fetch_max(at, Ordering::Relaxed);
    }

    /// From the opening until the last buyer so far had its first answer.
    pub fn answered_within(&self) -> Duration {
        Duration::from_nanos(self.last_first_answer.load(Ordering::Relaxed))
    }

    /// The counts at one moment, with the state on the servers.
    pub fn moment(&self, at: Duration, view: &ServerView) -> Moment {
        let ServerView { ledger, unsettled } = view;
        let unpaid = self.counters.unpaid.get().saturating_sub(self.counters.released.get());
        Moment {
            at_s: at.as_secs_f64(),
            arrived: self.counters.arrived.get(),
            answered: self.counters.answered.get(),
            refused: self.counters.refused.get(),
            waiting: ledger.waiting.unwrap_or_default().tickets,
            in_flight: ledger.in_flight.unwrap_or_default().tickets,
            ordered: ledger.ordered.unwrap_or_default().units,
            released: ledger.released.unwrap_or_default().tickets,
            unpaid: unsettled.unwrap_or(unpaid),
        }
    }
}
