//! Restoring a ticket that the store has lost.

use inrush_core::{
    epochs::Place,
    store::{Admission, AdmitRequest, Gate, Refusal},
    time::Timestamp,
};

use super::{
    super::claimed::{ClaimedTicket, Stage},
    Sale,
};

impl Sale {
    /// The results of the requests that restore a ticket; `None` for each that is to be admitted as any other.
    pub(in super::super) fn restore_all(
        &mut self,
        now: Timestamp,
        requests: &[AdmitRequest],
    ) -> Vec<Option<Admission>> {
        requests.iter().map(|request| self.restore(now, request)).collect()
    }

    /// Restores the ticket of a buyer who has no other one; `None` if the request restores none, or one that is not
    /// lost or has an order, or whose seq is another ticket's, or that the queue has passed and the stock has no units
    /// for.
    fn restore(&mut self, now: Timestamp, request: &AdmitRequest) -> Option<Admission> {
        let (ticket, entry) = (request.restores?, &request.entry);
        if let Some(seq) = self.duplicate(request) {
            return Some(Admission::Existing { seq });
        }
        if self.place_of(ticket) != Place::Lost || !self.owns(ticket) || self.adopted.contains_key(&ticket) {
            return None;
        }
        // One that the queue has passed is claimed next, so the stock must have its units now.
        if ticket.seq <= self.queue.cursor() && entry.units > self.uncommitted_units() {
            return None;
        }
        match self.gate_of_restores(now) {
            Gate::Bypass => return Some(Admission::Bypass),
            Gate::Refusing(refusal) => return Some(Admission::Refused(refusal)),
            Gate::Open => {}
        }
        if let Some(refusal) = self.refusal_of_units(entry.units) {
            return Some(Admission::Refused(refusal));
        }
        let seq = ticket.seq;
        if !self.queue.restore(seq, entry.clone()) {
            let stage = Stage::Retrying { due: now };
            self.claimed.put(seq, ClaimedTicket { entry: entry.clone(), attempt: 0, stage });
            self.ledger.retrying.add(entry.units);
        }
        self.restored.insert(seq);
        self.count_admitted(entry, seq);
        self.announcements.work = true;
        Some(Admission::Restored { seq })
    }

    /// The gate for holders of lost tickets: the sale had opened when they got them.
    fn gate_of_restores(&self, now: Timestamp) -> Gate {
        match self.gate_before_units(now) {
            // That the sale has not opened hides that admission is held.
            Gate::Refusing(Refusal::NotOpen { .. }) if self.settings.admission_held => {
                Gate::Refusing(Refusal::Held)
            }
            Gate::Refusing(Refusal::NotOpen { .. } | Refusal::Restoring { .. }) => Gate::Open,
            gate => gate,
        }
    }
}
