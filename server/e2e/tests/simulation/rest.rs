//! The end of a run: every ticket is polled, and the ledger is read.

use inrush_core::{SaleSettings, SaleSnapshot};
use inrush_simulation::history::{Count, Reading};

use crate::{buyers::Buyer, front::Ask, scenario::REST, store::run, world::World};

impl World {
    pub(crate) fn read(&mut self) {
        let Ok(snapshot) = run(self.store.port.sale(&self.sale)) else { return };
        let at = self.nanos();
        self.history.readings.push(reading(at, &self.scenario.settings, &snapshot));
    }

    /// Polls every ticket, asks again for those who were refused, and reads the ledger.
    pub(crate) fn rest(&mut self) {
        self.now = REST;
        self.history.rest_from = Some(self.nanos());
        for index in 0..self.buyers.len() {
            let Buyer { units, tickets, ticket, .. } = &self.buyers[index];
            let enqueue = (ticket.is_none() && !index.is_multiple_of(3))
                .then_some(Ask::Enqueue { units: *units, previous: None });
            let polls = tickets.iter().map(|ticket| Ask::Poll { ticket: ticket.clone() });
            for ask in polls.chain(enqueue).collect::<Vec<Ask>>() {
                let start = self.now;
                let outcome = self.front.call(&self.store.port, &self.buyers[index].id, &ask, self.now);
                self.now += 1;
                self.record(index, &ask, start, &outcome);
            }
        }
        self.read();
    }
}

/// The ledger, under the settings that an operator gave.
fn reading(at: u64, settings: &SaleSettings, snapshot: &SaleSnapshot) -> Reading {
    let count = |count: inrush_core::Count| Count { tickets: count.tickets, units: count.units };
    let ledger = &snapshot.ledger;
    Reading {
        at,
        cap: if settings.has_stock() { settings.effective_cap() } else { u64::MAX },
        stock: settings.stock,
        admitted: count(ledger.admitted),
        waiting: count(ledger.waiting),
        in_flight: count(ledger.in_flight),
        ordered: count(ledger.ordered),
        rejected: count(ledger.rejected),
        cancelled: count(ledger.cancelled),
        expired: count(ledger.expired),
        released: count(ledger.released),
        dead: count(ledger.dead),
        reconciled: count(snapshot.reconciled),
    }
}
