//! Admitting buyers.

use inrush_core::{
    entry::Entry,
    sale::Route,
    store::{Admission, AdmitReply, AdmitRequest, Durability, Gate, MAX_ADMITTED_BUYERS, Refusal},
    ticket::{MAX_SEQ, Seq},
    time::Timestamp,
};

use super::Sale;

impl Sale {
    /// Admits the buyers of the requests that are not `decided` yet, the first of them for the first request.
    pub(in super::super) fn admit(
        &mut self,
        now: Timestamp,
        requests: &[AdmitRequest],
        decided: Vec<Option<Admission>>,
    ) -> AdmitReply {
        let was_empty = self.queued() == 0;
        let mut decided = decided.into_iter();
        let admissions = requests
            .iter()
            .map(|request| decided.next().flatten().unwrap_or_else(|| self.admit_one(now, request)))
            .collect();
        self.announcements.work |= was_empty && self.queued() > 0;
        AdmitReply {
            epochs: self.epochs.clone(),
            admitted: self.ledger.admitted.tickets,
            measured_pace: self.measured_pace.millitickets_per_second(),
            durability: Durability::Memory,
            has_stock: self.settings.has_stock(),
            gate: self.gate(now),
            admissions,
        }
    }

    /// The hashes of admitted buyers, without the first `after` ones.
    pub(in super::super) fn admitted_buyers(&self, after: u64) -> Vec<u32> {
        let first = usize::try_from(after).unwrap_or(usize::MAX);
        self.admitted.iter().skip(first).take(MAX_ADMITTED_BUYERS).copied().collect()
    }

    fn admit_one(&mut self, now: Timestamp, request: &AdmitRequest) -> Admission {
        let entry = &request.entry;
        if let Some(seq) = self.duplicate(request) {
            return Admission::Existing { seq };
        }
        match self.gate_before_units(now) {
            Gate::Bypass => return Admission::Bypass,
            Gate::Refusing(refusal) => return Admission::Refused(refusal),
            Gate::Open => {}
        }
        if let Some(refusal) = self.refusal_of_units(entry.units) {
            return Admission::Refused(refusal);
        }
        if self.queue.last_seq() >= MAX_SEQ {
            return Admission::Refused(Refusal::SoldOut);
        }
        let seq = self.queue.push(entry.clone());
        self.count_admitted(entry, seq);
        Admission::Queued { seq, position: self.queue.position(&self.epochs, seq) }
    }

    /// The buyer's ticket, unless the request supersedes it.
    pub(super) fn duplicate(&self, AdmitRequest { entry, supersedes, .. }: &AdmitRequest) -> Option<Seq> {
        self.buyers.get(&entry.buyer).copied().filter(|&seq| *supersedes != Some(seq))
    }

    pub(super) fn refusal_of_units(&self, units: u64) -> Option<Refusal> {
        let limit = self.settings.unit_limit;
        if units > limit {
            return Some(Refusal::UnitLimit { limit });
        }
        (units > self.free_units()).then_some(Refusal::SoldOut)
    }

    /// Counts a ticket that waits now, and makes it its buyer's latest one.
    pub(super) fn count_admitted(&mut self, Entry { buyer, units, .. }: &Entry, seq: Seq) {
        self.buyers.insert(buyer.clone(), seq);
        self.admitted.push(buyer.hash32());
        self.ledger.admitted.add(*units);
        self.ledger.waiting.add(*units);
    }

    /// The gate for a buyer who is not in the queue and requests one unit.
    fn gate(&self, now: Timestamp) -> Gate {
        match self.gate_before_units(now) {
            Gate::Open if self.free_units() == 0 => Gate::Refusing(Refusal::SoldOut),
            gate => gate,
        }
    }

    /// The gate as far as the settings decide, for any number of units.
    pub(super) fn gate_before_units(&self, now: Timestamp) -> Gate {
        let settings = &self.settings;
        if settings.route == Route::Bypass {
            return Gate::Bypass;
        }
        if self.closed || settings.closes_at.is_some_and(|closes_at| now >= closes_at) {
            return Gate::Refusing(Refusal::Closed);
        }
        match settings.opens_at {
            Some(opens_at) if now < opens_at => Gate::Refusing(Refusal::NotOpen { opens_at }),
            _ if settings.admission_held => Gate::Refusing(Refusal::Held),
            _ => match self.restoring_until {
                Some(until) if now < until => Gate::Refusing(Refusal::Restoring { until }),
                _ => Gate::Open,
            },
        }
    }
}
