//! Detects when a sale has come to rest.

use std::time::{Duration, Instant};

use inrush_proto::v1::{Count, Ledger, Sale};

use super::{
    scenario::Scenario,
    shared::{Moment, ServerView, Shared},
};

/// Maximum number of moments that are kept; beyond it, every second one is dropped.
const MAX_MOMENTS: usize = 2_000;

/// Detects when a sale has come to rest, and keeps its moments.
#[derive(Debug)]
pub(super) struct QuiescenceDetector<'a> {
    scenario: &'a Scenario,
    stock: Option<u64>,
    before: Ledger,
    moments: Vec<Moment>,
    seen: usize,
    every: usize,
    last: (ServerView, [u64; 4]),
    moved: Instant,
}

impl<'a> QuiescenceDetector<'a> {
    /// Starts with `sale`, which may have had buyers before.
    pub(super) fn new(scenario: &'a Scenario, sale: &Sale, shared: &Shared) -> Self {
        let view = ServerView { ledger: sale.ledger.unwrap_or_default(), unsettled: None };
        Self {
            scenario,
            stock: sale.stock,
            before: sale.ledger.unwrap_or_default(),
            moments: vec![shared.moment(Duration::ZERO, &view)],
            seen: 0,
            every: 1,
            last: (ServerView::default(), [0; 4]),
            moved: Instant::now(),
        }
    }

    /// Records the state of the sale.
    pub(super) fn see(&mut self, at: Duration, view: &ServerView, shared: &Shared) -> Moment {
        let moment = shared.moment(at, view);
        self.keep(moment);
        let counters = &shared.counters;
        let counts = [&counters.arrived, &counters.answered, &counters.learned, &counters.released];
        let now = (*view, counts.map(|count| count.get()));
        if self.last != now {
            self.last = now;
            self.moved = Instant::now();
        }
        moment
    }

    /// Nothing has changed for the time after which a sale is stuck.
    pub(super) fn is_stuck(&self) -> bool {
        self.moved.elapsed() > self.scenario.times.stuck_after
    }

    /// Every buyer has an answer, every buyer with an order knows it, and nothing more can be sold.
    pub(super) fn is_at_rest(&self, shared: &Shared) -> bool {
        let (ServerView { ledger, unsettled }, counters) = (&self.last.0, &shared.counters);
        let served = |ledger: &Ledger| tickets(ledger.ordered) + tickets(ledger.released);
        let ordered = ledger.ordered.unwrap_or_default().units;
        let left = self.stock.map(|stock| stock.saturating_sub(ordered));
        let nothing_to_sell = left.is_some_and(|left| left < self.scenario.units_per_ticket);
        let known = counters.learned.get() + counters.left.get();
        // If the order system releases orders itself, buyers may get the status only in the final check.
        let settled = match unsettled {
            Some(unsettled) => *unsettled == 0,
            None => {
                counters.released.get() >= counters.unpaid.get()
                    && known >= served(ledger).saturating_sub(served(&self.before))
            }
        };
        counters.answered.get() >= u64::from(self.scenario.buyers)
            && settled
            && tickets(ledger.in_flight) == 0
            && (nothing_to_sell || tickets(ledger.waiting) == 0)
    }

    /// How the sale went.
    pub(super) fn into_moments(self) -> Vec<Moment> {
        self.moments
    }

    fn keep(&mut self, moment: Moment) {
        if self.seen.is_multiple_of(self.every) {
            self.moments.push(moment);
        }
        self.seen += 1;
        if self.moments.len() >= MAX_MOMENTS {
            self.moments = self.moments.iter().copied().step_by(2).collect();
            self.every *= 2;
        }
    }
}

fn tickets(count: Option<Count>) -> u64 {
    count.unwrap_or_default().tickets
}
