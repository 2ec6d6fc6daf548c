//! One sale in memory. Each file below is one operation on it.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use inrush_core::{
    epochs::{Epochs, TicketRef},
    ledger::{Count, Ledger},
    sale::{BuyerId, SaleId, SaleSettings, SaleSnapshot},
    store::DeleteResult,
    ticket::Seq,
    time::Timestamp,
};

use super::{
    claimed::ClaimedTickets,
    pace::{MeasuredPace, TokenBucket},
    queue::Queue,
};

mod admit;
mod backlog;
mod cancel;
mod claim;
mod close;
mod configure;
mod dead;
mod extend;
mod invariants;
mod look_up;
mod reconcile;
mod recover;
mod release;
mod renew;
mod restore;
mod settle;

/// A sale. Between operations its ledger balances.
#[derive(Clone, Debug)]
pub(super) struct Sale {
    id: SaleId,
    settings: SaleSettings,
    epochs: Epochs,
    /// The store's history under which the sale was written last.
    history: u64,
    version: u64,
    closed: bool,
    created_at: Timestamp,
    /// Until when holders of lost tickets come before other buyers.
    restoring_until: Option<Timestamp>,
    ledger: Ledger,
    queue: Queue,
    /// Every buyer's latest ticket.
    buyers: HashMap<BuyerId, Seq>,
    /// The hash of every buyer ever admitted, in the order of admission.
    admitted: Vec<u32>,
    /// Seqs of tickets that were restored.
    restored: HashSet<Seq>,
    claimed: ClaimedTickets,
    outcomes: HashMap<Seq, Concluded>,
    /// The outcomes of tickets that the store has lost and knows from the order system.
    adopted: HashMap<TicketRef, Concluded>,
    /// Cancelled seqs whose ticket has an outcome instead: it was settled while it was in the queue, or after.
    settled_in_queue: u64,
    reconciled: Count,
    last_fence: u64,
    bucket: Option<TokenBucket>,
    measured_pace: MeasuredPace,
    announcements: Announcements,
    /// Free units before the current operation.
    free_before: u64,
}

/// A claimed ticket with its final outcome.
#[derive(Clone, Debug)]
struct Concluded {
    units: u64,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Ordered { order_id: String },
    Released { order_id: String },
    Rejected { reason: String },
}

/// What an operation announces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announcements {
    /// A sale that had nothing to claim has something now.
    pub(super) work: bool,
    /// Admission may have changed.
    pub(super) admission: bool,
}

impl Sale {
    /// A new sale. Its creation is announced as a change of admission.
    pub(super) fn create(
        id: SaleId,
        settings: SaleSettings,
        epoch: u64,
        now: Timestamp,
        history: u64,
    ) -> Self {
        Self {
            id,
            epochs: Epochs::new(epoch),
            history,
            version: 1,
            closed: false,
            created_at: now,
            restoring_until: None,
            ledger: Ledger::default(),
            queue: Queue::default(),
            buyers: HashMap::new(),
            admitted: Vec::new(),
            restored: HashSet::new(),
            claimed: ClaimedTickets::default(),
            outcomes: HashMap::new(),
            adopted: HashMap::new(),
            settled_in_queue: 0,
            reconciled: Count::default(),
            last_fence: epoch,
            bucket: settings.pace.map(|pace| TokenBucket::full(pace, now)),
            measured_pace: MeasuredPace::default(),
            announcements: Announcements { work: false, admission: true },
            free_before: settings.effective_cap(),
            settings,
        }
    }

    pub(super) fn snapshot(&self, now: Timestamp) -> SaleSnapshot {
        SaleSnapshot {
            id: self.id.clone(),
            settings: self.settings.clone(),
            epoch: self.epochs.present(),
            version: self.version,
            closed: self.closed,
            rises: self.epochs.past().len() as u64,
            restoring_until: self.restoring_until,
            created_at: self.created_at,
            read_at: now,
            last_seq: self.queue.last_seq(),
            cursor: self.queue.cursor(),
            ledger: self.ledger,
            reconciled: self.reconciled,
            measured_pace: self.measured_pace.millitickets_per_second(),
        }
    }

    /// Why the sale cannot be deleted, if it cannot.
    pub(super) fn deletion_blocker(&self) -> Option<DeleteResult> {
        if !self.closed {
            return Some(DeleteResult::NotClosed);
        }
        let Ledger { in_flight, retrying, dead, .. } = self.ledger;
        let tickets = in_flight.tickets + retrying.tickets + dead.tickets;
        (tickets > 0).then_some(DeleteResult::Busy { tickets })
    }

    /// Ends every operation: checks the invariants in debug builds and returns what to announce. An operation that frees
    /// units when there were none changes admission.
    pub(super) fn finish_operation(&mut self) -> Announcements {
        debug_assert_eq!(self.check_invariants(), Ok(()), "sale {}", self.id);
        let free = self.free_units();
        let reopened = self.free_before == 0 && free > 0;
        self.free_before = free;
        let Announcements { work, admission } = mem::take(&mut self.announcements);
        Announcements { work, admission: admission || reopened }
    }

    /// Units that may still be admitted.
    fn free_units(&self) -> u64 {
        self.ledger.free_units(self.settings.effective_cap(), self.settings.has_stock())
    }

    /// Tickets that wait for their first claim; none once the sale is closed.
    const fn queued(&self) -> u64 {
        self.ledger.waiting.tickets - self.ledger.retrying.tickets
    }
}
