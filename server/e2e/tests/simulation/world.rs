//! One run: buyers, workers, the order system and the faults, one event after the other, on a clock of its own.

use std::{collections::BTreeMap, mem, time::Duration};

use inrush_core::{
    SaleId, SaleSettings, Timestamp,
    store::{Precondition, Settlement},
    time::ManualClock,
};
use inrush_simulation::history::{History, Level, Outcome, SaleFacts, TicketName};

use crate::{
    buyers::Buyer,
    front::{Ask, Front},
    order_system::OrderBook,
    planted::Planted,
    random::Random,
    scenario::{FAULTS_END, LEASE, LossKind, REST, Scenario},
    store::{ForgetfulStore, run},
    workers::Claimed,
};

/// When the clock of the store begins.
const BEGIN: Timestamp = Timestamp(1_700_000_000_000);

/// Nanoseconds of a millisecond.
pub(crate) const NANOS: u64 = 1_000_000;

/// What happens at a time.
pub(crate) enum Event {
    /// The buyer's next step.
    Buyer(usize),
    /// A call reaches the front.
    Arrive {
        buyer: usize,
        ask: Ask,
        start: u64,
    },
    /// The caller has the answer, or gives up.
    Answer {
        buyer: usize,
        ask: Ask,
        start: u64,
        outcome: Outcome,
    },
    /// The buyer wants to leave.
    Cancel(usize),
    /// The worker claims.
    Claim(usize),
    /// Claimed entries reach the order system.
    Deliver {
        worker: usize,
        life: u32,
        entries: Vec<Claimed>,
    },
    /// The worker records outcomes.
    Settle {
        worker: usize,
        life: u32,
        settlements: Vec<Settlement>,
        tries: u32,
    },
    Recover,
    /// An order is not paid.
    Release(TicketName),
    /// The order system reports the release.
    ReportRelease {
        ticket: TicketName,
        reports: u32,
    },
    Checkpoint,
    Read,
    Loss(LossKind),
    Recreate,
    SetClock(i64),
    Crash,
    Close,
    Calm,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) scenario: Scenario,
    pub(crate) clock: ManualClock,
    pub(crate) now: u64,
    pub(crate) sale: SaleId,
    pub(crate) store: ForgetfulStore,
    pub(crate) front: Front,
    pub(crate) buyers: Vec<Buyer>,
    /// The life of each worker: what an earlier one began is forgotten.
    pub(crate) workers: Vec<u32>,
    pub(crate) book: OrderBook,
    pub(crate) events: BTreeMap<(u64, u64), Event>,
    pub(crate) scheduled: u64,
    pub(crate) history: History,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(&mut random);
        let clock = ManualClock::starting_at(BEGIN);
        let sale: SaleId = "x".parse().unwrap();
        let settings = &scenario.settings;
        let steps_clock = !scenario.clock_steps.is_empty();
        let lease = if steps_clock { 0 } else { LEASE * NANOS };
        let store = ForgetfulStore::new(clock.clone(), &mut random, scenario.failures, lease, planted);
        let facts = SaleFacts {
            id: sale.to_string(),
            stock: settings.stock,
            cap: settings.effective_cap(),
            unit_limit: settings.unit_limit,
            durability: Level::Memory,
            all_polled_at_rest: true,
            reclaim_bound: (!steps_clock).then_some(2_000 * NANOS),
        };
        let buyers = (0..scenario.buyers).map(|index| Buyer {
            id: format!("buyer-{index}").parse().unwrap(),
            units: random.between(1, settings.unit_limit),
            ticket: None,
            tickets: Vec::new(),
            state: None,
            is_lost: false,
            polls: 0,
            has_left: false,
            is_calling: false,
        });
        let buyers = buyers.collect();
        let mut world = Self {
            front: Front::new(sale.clone(), planted),
            buyers,
            workers: vec![0; usize::try_from(scenario.workers).unwrap()],
            book: OrderBook::new(settings.stock),
            events: BTreeMap::new(),
            scheduled: 0,
            history: History { sale: facts, ..History::default() },
            now: 0,
            random,
            scenario,
            clock,
            sale,
            store,
        };
        world.schedule();
        world
    }

    /// Runs to the end and returns what was seen.
    pub(crate) fn run(mut self) -> History {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > REST {
                break;
            }
            self.clock.advance(Duration::from_millis(at - self.now));
            self.now = at;
            self.store.work.lock().now = at * NANOS;
            self.handle(event);
        }
        self.rest();
        self.history.work = mem::take(&mut self.store.work.lock().steps);
        self.history.orders = self.book.orders.into_values().collect();
        self.history
    }

    fn schedule(&mut self) {
        let settings = self.scenario.settings.clone();
        self.create(&settings);
        for index in 0..self.buyers.len() {
            let at = self.random.between(0, 6_000);
            self.at(at, Event::Buyer(index));
            if self.random.chance(15) {
                let at = self.random.between(at, at + 4_000);
                self.at(at, Event::Cancel(index));
            }
            if self.random.chance(15) {
                // A second call while the first one may be under way.
                let at = at + self.random.between(0, 2_000);
                let ask = Ask::Enqueue { units: self.buyers[index].units, previous: None };
                self.at(at, Event::Arrive { buyer: index, ask, start: at });
            }
        }
        for worker in 0..self.workers.len() {
            let at = self.random.between(0, 300);
            self.at(at, Event::Claim(worker));
        }
        for (at, kind) in self.scenario.losses.clone() {
            self.at(at, Event::Loss(kind));
        }
        for (at, step) in self.scenario.clock_steps.clone() {
            self.at(at, Event::SetClock(step));
        }
        for at in self.scenario.worker_crashes.clone() {
            self.at(at, Event::Crash);
        }
        if let Some(at) = self.scenario.closes_at {
            self.at(at, Event::Close);
        }
        for event in [Event::Recover, Event::Checkpoint, Event::Read] {
            self.at(1, event);
        }
        self.at(FAULTS_END + 1, Event::Calm);
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.events.insert((at.max(self.now), self.scheduled), event);
    }

    pub(crate) fn after(&mut self, low: u64, high: u64, event: Event) {
        let at = self.now + self.random.between(low, high);
        self.at(at, event);
    }

    pub(crate) fn nanos(&self) -> u64 {
        self.now * NANOS
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now > FAULTS_END
    }

    /// A delay of the network.
    pub(crate) fn latency(&mut self) -> u64 {
        if self.random.chance(5) && !self.is_calm() {
            self.random.between(50, 900)
        } else {
            self.random.between(1, 20)
        }
    }

    fn create(&mut self, settings: &SaleSettings) {
        // A reply that is lost is asked for again, as an operator does.
        for _ in 0..100 {
            let port = &self.store.port;
            if run(port.configure(&self.sale, settings, Precondition::Absent)).is_ok() {
                return;
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Buyer(buyer) => self.step(buyer),
            Event::Arrive { buyer, ask, start } => self.arrive(buyer, ask, start),
            Event::Answer { buyer, ask, start, outcome } => self.answer(buyer, &ask, start, outcome),
            Event::Cancel(buyer) => self.cancel(buyer),
            Event::Claim(worker) => self.claim(worker),
            Event::Deliver { worker, life, entries } => self.deliver(worker, life, entries),
            Event::Settle { worker, life, settlements, tries } => {
                self.settle(worker, life, settlements, tries);
            }
            Event::Recover => {
                let _ = run(self.store.port.recover(&self.sale));
                self.after(400, 600, Event::Recover);
            }
            Event::Release(ticket) => self.release(ticket),
            Event::ReportRelease { ticket, reports } => self.report_release(ticket, reports),
            Event::Checkpoint => {
                self.store.checkpoint(&mut self.random);
                if !self.is_calm() {
                    self.after(20, 800, Event::Checkpoint);
                }
            }
            Event::Read => {
                self.read();
                self.after(2_000, 5_000, Event::Read);
            }
            Event::Loss(kind) => self.lose(kind),
            Event::Recreate => {
                let settings = self.scenario.settings.clone();
                self.create(&settings);
            }
            Event::SetClock(step) => self.set_clock(step),
            Event::Crash => self.crash(),
            Event::Close => drop(run(self.store.port.close(&self.sale))),
            Event::Calm => {
                self.store.calm();
                self.book.is_moody = false;
            }
        }
    }
}
