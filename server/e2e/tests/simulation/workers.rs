//! Workers: claims, deliveries to the order system, outcomes, and reports of released orders.

use std::time::Duration;

use inrush_core::{
    Entry,
    epochs::TicketRef,
    store::{ClaimRequest, LeaseToken, Outcome as Settled, ReleaseResult, Settlement},
};
use inrush_simulation::history::{Delivery, TicketName};

use crate::{
    front::name,
    order_system::Decision,
    store::run,
    world::{Event, World},
};

/// How often a ticket's release is reported at most while the queue has another state of it.
const MAX_REPORTS: u32 = 20;

/// How often an outcome is sent at most.
const MAX_SETTLES: u32 = 6;

/// An entry under a lease.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) ticket: TicketName,
    pub(crate) fence: u64,
    pub(crate) attempt: u32,
    pub(crate) entry: Entry,
}

impl World {
    pub(crate) fn claim(&mut self, worker: usize) {
        let life = self.workers[worker];
        let max = usize::try_from(self.random.between(1, 6)).unwrap();
        let claimed = run(self.store.port.claim(&self.sale, ClaimRequest { max }));
        let pause = match &claimed {
            Ok(claim) if !claim.entries.is_empty() => 10,
            Ok(_) | Err(_) if self.is_calm() => 1_500,
            Ok(_) | Err(_) => 200,
        };
        self.after(pause / 2, pause, Event::Claim(worker));
        let Ok(claim) = claimed else { return };
        let entries = claim.entries.into_iter().map(|claimed| Claimed {
            ticket: name(claim.epochs.ticket(claimed.seq)),
            fence: claim.fence,
            attempt: claimed.attempt,
            entry: claimed.entry,
        });
        let entries: Vec<Claimed> = entries.collect();
        if entries.is_empty() {
            return;
        }
        let at = self.now + self.latency();
        self.at(at, Event::Deliver { worker, life, entries });
    }

    pub(crate) fn deliver(&mut self, worker: usize, life: u32, entries: Vec<Claimed>) {
        if self.workers[worker] != life {
            return;
        }
        let at = self.nanos();
        let mut settlements = Vec::new();
        for Claimed { ticket, fence, attempt, entry } in entries {
            let (buyer, units) = (entry.buyer.to_string(), entry.units);
            self.history.deliveries.push(Delivery { at, ticket, buyer, units, attempt });
            let is_new = !self.book.orders.contains_key(&ticket);
            let decision = self.book.decide(ticket, &entry, at, &mut self.random);
            let outcome = match decision {
                Decision::Created(order_id) => {
                    if is_new && !self.is_calm() && self.random.chance(self.scenario.unpaid) {
                        self.after(500, 5_000, Event::Release(ticket));
                    }
                    if self.book.orders[&ticket].released_at.is_some() {
                        // The queue hears of the release once it knows of the order.
                        self.after(3_000, 4_000, Event::ReportRelease { ticket, reports: 0 });
                    }
                    Settled::Ordered { order_id }
                }
                Decision::Rejected(reason) => Settled::Rejected { reason: reason.to_owned() },
                Decision::Retry => {
                    Settled::Retry { after: Duration::from_millis(300), reason: "busy".to_owned() }
                }
            };
            let lease_token = LeaseToken { seq: ticket.seq, fence };
            settlements.push(Settlement { lease_token, outcome });
        }
        // A stream that breaks here loses the answers: the leases end.
        if !self.is_calm() && self.random.chance(self.scenario.failures) {
            return;
        }
        let at = self.now + self.latency();
        self.at(at, Event::Settle { worker, life, settlements, tries: 0 });
    }

    pub(crate) fn settle(&mut self, worker: usize, life: u32, settlements: Vec<Settlement>, tries: u32) {
        if self.workers[worker] != life {
            return;
        }
        if run(self.store.port.settle(&self.sale, &settlements)).is_err() && tries < MAX_SETTLES {
            self.after(20, 200, Event::Settle { worker, life, settlements, tries: tries + 1 });
        }
    }

    pub(crate) fn release(&mut self, ticket: TicketName) {
        let at = self.nanos();
        if let Some(order) = self.book.orders.get_mut(&ticket).filter(|order| order.released_at.is_none()) {
            order.released_at = Some(at);
            self.after(10, 300, Event::ReportRelease { ticket, reports: 0 });
        }
    }

    pub(crate) fn report_release(&mut self, ticket: TicketName, reports: u32) {
        let TicketName { epoch, seq } = ticket;
        let result = run(self.store.port.release(&self.sale, &[TicketRef { epoch, seq }]));
        let is_done =
            matches!(result.as_deref(), Ok([ReleaseResult::Released | ReleaseResult::AlreadyReleased]));
        if !is_done && reports < MAX_REPORTS {
            self.after(500, 2_000, Event::ReportRelease { ticket, reports: reports + 1 });
        }
    }
}
