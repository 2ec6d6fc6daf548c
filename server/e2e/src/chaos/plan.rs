//! Draws a run from a seed.

use std::time::Duration;

use inrush_simulation::history::Level;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::{fault::Fault, store::Setup};

/// A run: the sale, its buyers, and the faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// How Redis is run.
    pub setup: Setup,
    /// The durability of the sale.
    pub level: Level,
    /// Units on sale.
    pub stock: u64,
    /// Upper bound on the units in the queue.
    pub cap: u64,
    /// Upper bound on the units of one ticket.
    pub unit_limit: u64,
    /// How many buyers come.
    pub buyers: u32,
    /// The time between two buyers.
    pub arrival_interval: Duration,
    /// Orders per second that the order system can create.
    pub capacity: u32,
    /// The share of orders that are never paid.
    pub unpaid_share: f64,
    /// The faults in their order.
    pub faults: Vec<PlannedFault>,
}

/// A fault, and when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// It begins when so many buyers have a ticket.
    pub after: u64,
    /// What happens.
    pub fault: Fault,
    /// How long it lasts, if it does.
    pub lasts: Duration,
    /// Chooses among processes and variants.
    pub choice: u32,
}

impl Plan {
    /// Draws a run. The same seed draws the same run.
    #[must_use]
    pub fn draw(setup: Setup, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let durable = if setup == Setup::Single { Level::Fsync } else { Level::Replicated };
        let level = if random.random_bool(0.6) { durable } else { Level::Memory };
        let buyers: u32 = random.random_range(40..=160);
        let unit_limit = if random.random_bool(0.7) { 1 } else { 3 };
        let stock = random.random_range(20..=u64::from(buyers) * 5 / 4);
        let cap = if random.random_bool(0.7) { stock } else { stock + random.random_range(1..=20) };
        let mut plan = Self {
            seed,
            setup,
            level,
            stock,
            cap,
            unit_limit,
            buyers,
            arrival_interval: Duration::from_millis(random.random_range(5..=25)),
            capacity: random.random_range(40..=400),
            unpaid_share: if random.random_bool(0.25) { 0.2 } else { 0.0 },
            faults: Vec::new(),
        };
        plan.draw_faults(&mut random);
        plan
    }

    /// The same run with these faults only.
    #[must_use]
    pub fn with_faults(mut self, faults: &[Fault]) -> Self {
        let mut random = StdRng::seed_from_u64(self.seed ^ 1);
        self.faults = faults.iter().map(|&fault| self.planned(&mut random, fault)).collect();
        self.faults.sort_by_key(|planned| planned.after);
        self
    }

    fn draw_faults(&mut self, random: &mut StdRng) {
        let possible: Vec<Fault> =
            Fault::ALL.into_iter().filter(|fault| fault.applies_to(self.setup)).collect();
        for _ in 0..random.random_range(2..=6) {
            let fault = possible[random.random_range(0..possible.len())];
            let planned = self.planned(random, fault);
            self.faults.push(planned);
        }
        self.faults.sort_by_key(|planned| planned.after);
    }

    fn planned(&self, random: &mut StdRng, fault: Fault) -> PlannedFault {
        let tickets = self.cap.min(u64::from(self.buyers));
        PlannedFault {
            after: random.random_range(1..=tickets * 9 / 10),
            fault,
            lasts: Duration::from_millis(random.random_range(100..=1_000)),
            choice: random.random(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_draws_the_same_run_and_seeds_draw_every_fault() {
        for setup in Setup::ALL {
            let mut drawn = BTreeSet::new();
            for seed in 0..500 {
                let plan = Plan::draw(setup, seed);
                assert_eq!(plan, Plan::draw(setup, seed));
                assert!((2..=6).contains(&plan.faults.len()) && plan.stock <= plan.cap);
                drawn.extend(plan.faults.iter().map(|planned| planned.fault));
            }
            let possible: BTreeSet<Fault> =
                Fault::ALL.into_iter().filter(|fault| fault.applies_to(setup)).collect();
            assert_eq!(drawn, possible);
        }
    }
}
