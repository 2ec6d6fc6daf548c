//! Watches a sale, and notices when it has come to rest.

use std::time::{Duration, Instant};

use inrush_proto::v1::{Count, Ledger, Sale};

use super::{
    scenario::Scenario,
    shared::{Moment, ServerView, Shared},
};

/// Most moments that are kept; when there are more, every second one goes.
const MAX_MOMENTS: usize = 2_000;

/// Watches a sale.
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
    /// Watches `sale` from now on, which may have had buyers before.
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

    /// Takes in how the sale stands.
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

    /// Nothing has moved for so long that nothing will.
    pub(super) fn is_stuck(&self) -> bool {
        self.moved.elapsed() > self.scenario.times.stuck_after
    }

    /// Everybody has an answer, every order is known to its buyer, and nothing more can be sold.
    pub(super) fn is_at_rest(&self, shared: &Shared) -> bool {
        let (ServerView { ledger, unsettled }, counters) = (&self.last.0, &shared.counters);
        let served = |ledger: &Ledger| tickets(ledger.ordered) + tickets(ledger.released);
        let ordered = ledger.ordered.unwrap_or_default().units;
        let left = self.stock.map(|stock| stock.saturating_sub(ordered));
        let nothing_to_sell = left.is_some_and(|left| left < self.scenario.units_per_ticket);
        let known = counters.learned.get() + counters.left.get();
        // Where the order system releases orders itself, buyers may learn of it in the final check only.
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
