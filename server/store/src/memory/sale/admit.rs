//! Admitting buyers.

use inrush_core::{
    sale::Route,
    store::{Admission, AdmitReply, AdmitRequest, Durability, Gate, MAX_ADMITTED_BUYERS, Refusal},
    ticket::{MAX_SEQ, Seq},
    time::Timestamp,
};

use super::Sale;

impl Sale {
    pub(in super::super) fn admit(&mut self, now: Timestamp, requests: &[AdmitRequest]) -> AdmitReply {
        let was_empty = self.queued() == 0;
        let admissions = requests.iter().map(|request| self.admit_one(now, request)).collect();
        self.announcements.work |= was_empty && self.queued() > 0;
        AdmitReply {
            epoch: self.epoch,
            last_seq: self.queue.last_seq(),
            measured_pace: self.measured_pace.millitickets_per_second(),
            durability: Durability::Memory,
            has_stock: self.settings.has_stock(),
            gate: self.gate(now),
            admissions,
        }
    }

    /// The hashes of buyers with seqs above `after`.
    pub(in super::super) fn admitted_buyers(&self, after: Seq) -> Vec<u32> {
        let first = usize::try_from(after).unwrap_or(usize::MAX);
        self.admitted.iter().skip(first).take(MAX_ADMITTED_BUYERS).copied().collect()
    }

    fn admit_one(&mut self, now: Timestamp, AdmitRequest { entry, supersedes }: &AdmitRequest) -> Admission {
        if let Some(&seq) = self.buyers.get(&entry.buyer)
            && *supersedes != Some(seq)
        {
            return Admission::Existing { seq };
        }
        match self.gate_before_units(now) {
            Gate::Bypass => return Admission::Bypass,
            Gate::Refusing(refusal) => return Admission::Refused(refusal),
            Gate::Open => {}
        }
        let limit = self.settings.unit_limit;
        if entry.units > limit {
            return Admission::Refused(Refusal::UnitLimit { limit });
        }
        if entry.units > self.free_units() || self.queue.last_seq() >= MAX_SEQ {
            return Admission::Refused(Refusal::SoldOut);
        }
        let seq = self.queue.push(entry.clone());
        self.buyers.insert(entry.buyer.clone(), seq);
        self.admitted.push(entry.buyer.hash32());
        self.ledger.admitted.add(entry.units);
        self.ledger.waiting.add(entry.units);
        Admission::Queued { seq, position: self.queue.position(seq) }
    }

    /// The gate for a buyer who is not in the queue and requests one unit.
    fn gate(&self, now: Timestamp) -> Gate {
        match self.gate_before_units(now) {
            Gate::Open if self.free_units() == 0 => Gate::Refusing(Refusal::SoldOut),
            gate => gate,
        }
    }

    /// The gate as far as the settings decide, for any number of units.
    fn gate_before_units(&self, now: Timestamp) -> Gate {
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
            _ => Gate::Open,
        }
    }
}
