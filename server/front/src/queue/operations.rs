//! The batched store operations on tickets: look up, cancel, release. `admit.rs` has the one that issues them.

use std::sync::Arc;

use inrush_core::{
    SaleId, Seq, Store, StoreError, TicketId, TicketStatus,
    store::{CancelResult, ReleaseResult},
};

use crate::{call_error::CallError, queue::batcher::Operation, queue::gate::Gates};

/// Looks tickets up.
pub(crate) struct LookUpOp {
    pub(crate) store: Arc<dyn Store>,
}

/// What the store has of a ticket.
#[derive(Clone, Debug)]
pub(crate) struct TicketLookup {
    pub(crate) epoch: u64,
    pub(crate) measured_pace: u64,
    pub(crate) status: Option<TicketStatus>,
}

impl TicketLookup {
    /// The status, if it is that of `ticket`: the same seq of another epoch is another ticket.
    pub(crate) fn of(self, ticket: &TicketId) -> Result<TicketStatus, CallError> {
        let status = self.status.filter(|_| self.epoch == ticket.epoch);
        status.ok_or_else(|| CallError::TicketUnknown(ticket.sale.clone()))
    }
}

impl Operation for LookUpOp {
    type Request = Seq;
    type Reply = TicketLookup;

    async fn run(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<TicketLookup>, StoreError> {
        look_up(&*self.store, sale, seqs).await
    }
}

/// Cancels waiting tickets.
pub(crate) struct CancelOp {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
}

/// Releases the units of orders.
pub(crate) struct ReleaseOp {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
}

/// A ticket of a sale, as its holder presents it.
#[derive(Clone, Copy)]
pub(crate) struct TicketRef {
    pub(crate) epoch: u64,
    pub(crate) seq: Seq,
}

impl From<&TicketId> for TicketRef {
    fn from(ticket: &TicketId) -> Self {
        Self { epoch: ticket.epoch, seq: ticket.seq }
    }
}

/// The outcome for one ticket, and its status after it. No outcome: the ticket is of another epoch.
pub(crate) struct MutationResult<T> {
    pub(crate) outcome: Option<T>,
    pub(crate) found: TicketLookup,
}

impl Operation for CancelOp {
    type Request = TicketRef;
    type Reply = MutationResult<CancelResult>;

    async fn run(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<Self::Reply>, StoreError> {
        let current = CurrentEpoch::among(tickets, &*self.store, sale).await?;
        let outcomes =
            if current.seqs.is_empty() { Vec::new() } else { self.store.cancel(sale, &current.seqs).await? };
        if outcomes.contains(&CancelResult::Cancelled) {
            self.gates.invalidate(sale);
        }
        current.changed(outcomes, tickets, &*self.store, sale).await
    }
}

impl Operation for ReleaseOp {
    type Request = TicketRef;
    type Reply = MutationResult<ReleaseResult>;

    async fn run(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<Self::Reply>, StoreError> {
        let current = CurrentEpoch::among(tickets, &*self.store, sale).await?;
        let outcomes = if current.seqs.is_empty() {
            Vec::new()
        } else {
            self.store.release(sale, &current.seqs).await?
        };
        if outcomes.contains(&ReleaseResult::Released) {
            self.gates.invalidate(sale);
        }
        current.changed(outcomes, tickets, &*self.store, sale).await
    }
}

/// The tickets of a batch that belong to the sale's current epoch: the same seq of another epoch is another ticket.
struct CurrentEpoch {
    epoch: u64,
    seqs: Vec<Seq>,
}

impl CurrentEpoch {
    async fn among(tickets: &[TicketRef], store: &dyn Store, sale: &SaleId) -> Result<Self, StoreError> {
        // Any seq will do: only the epoch in the reply is needed.
        let epoch = store.look_up(sale, &[1]).await?.epoch;
        let seqs = tickets.iter().filter(|ticket| ticket.epoch == epoch).map(|ticket| ticket.seq).collect();
        Ok(Self { epoch, seqs })
    }

    /// Pairs every ticket of the batch with its outcome, if there is one, and with its status.
    async fn changed<T>(
        self,
        outcomes: Vec<T>,
        tickets: &[TicketRef],
        store: &dyn Store,
        sale: &SaleId,
    ) -> Result<Vec<MutationResult<T>>, StoreError> {
        let seqs: Vec<Seq> = tickets.iter().map(|ticket| ticket.seq).collect();
        let found = look_up(store, sale, &seqs).await?;
        let mut outcomes = outcomes.into_iter();
        let mut outcome_of =
            |ticket: &TicketRef| if ticket.epoch == self.epoch { outcomes.next() } else { None };
        Ok(tickets
            .iter()
            .zip(found)
            .map(|(ticket, found)| MutationResult { outcome: outcome_of(ticket), found })
            .collect())
    }
}

async fn look_up(store: &dyn Store, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<TicketLookup>, StoreError> {
    let reply = store.look_up(sale, seqs).await?;
    let found = |status| TicketLookup { epoch: reply.epoch, measured_pace: reply.measured_pace, status };
    Ok(reply.statuses.into_iter().map(found).collect())
}
