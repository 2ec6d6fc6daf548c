//! Faults: losses of the store, steps of its clock, and workers that end.

use std::time::Duration;

use inrush_simulation::history::{Fault, Level, Loss};

use crate::{
    scenario::LossKind,
    world::{Event, NANOS, World},
};

impl World {
    fn fault(&mut self, what: &str) {
        let at = self.nanos();
        let fault = Fault { from: at, until: at, what: what.to_owned(), breaks_deliveries: false };
        self.history.faults.push(fault);
    }

    pub(crate) fn lose(&mut self, kind: LossKind) {
        self.fault(&format!("{kind:?}"));
        let forgets = self.store.lose(kind, &mut self.random);
        if forgets {
            // The loss happens with one of the next operations of the store, and these follow within this time.
            let (from, until) = (self.nanos(), self.nanos() + 700 * NANOS);
            let forgets_sale = kind == LossKind::Empty || self.now < 1_000;
            self.history.losses.push(Loss { from, until, forgets: vec![Level::Memory], forgets_sale });
        }
        if kind == LossKind::Empty || self.now < 1_000 {
            self.after(1_000, 3_000, Event::Recreate);
        }
    }

    pub(crate) fn set_clock(&mut self, step: i64) {
        let by = Duration::from_millis(step.unsigned_abs());
        if step > 0 {
            self.clock.advance(by);
        } else {
            self.clock.set_back(by);
        }
        self.fault(&format!("the clock is set by {step} ms"));
    }

    pub(crate) fn crash(&mut self) {
        let worker = usize::try_from(self.random.between(0, self.workers.len() as u64 - 1)).unwrap();
        self.workers[worker] += 1;
        self.fault("a worker ends");
    }
}
