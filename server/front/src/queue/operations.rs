//! The batched store operations on tickets: look up, cancel, release. `admit.rs` has the one that issues them.

use std::sync::Arc;

use inrush_core::{
    SaleId, Store, StoreError, TicketId, TicketRef, TicketStatus,
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
    pub(crate) measured_pace: u64,
    pub(crate) status: Option<TicketStatus>,
}

impl TicketLookup {
    /// The status of `ticket`.
    pub(crate) fn of(self, ticket: &TicketId) -> Result<TicketStatus, CallError> {
        self.status.ok_or_else(|| CallError::TicketUnknown(ticket.sale.clone()))
    }
}

impl Operation for LookUpOp {
    type Request = TicketRef;
    type Reply = TicketLookup;

    async fn run(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<TicketLookup>, StoreError> {
        look_up(&*self.store, sale, tickets).await
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

/// The outcome for one ticket, and its status after it.
pub(crate) struct MutationResult<T> {
    pub(crate) outcome: T,
    pub(crate) found: TicketLookup,
}

impl Operation for CancelOp {
    type Request = TicketRef;
    type Reply = MutationResult<CancelResult>;

    async fn run(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<Self::Reply>, StoreError> {
        let outcomes = self.store.cancel(sale, tickets).await?;
        if outcomes.contains(&CancelResult::Cancelled) {
            self.gates.invalidate(sale);
        }
        with_statuses(outcomes, tickets, &*self.store, sale).await
    }
}

impl Operation for ReleaseOp {
    type Request = TicketRef;
    type Reply = MutationResult<ReleaseResult>;

    async fn run(&self, sale: &SaleId, tickets: &[TicketRef]) -> Result<Vec<Self::Reply>, StoreError> {
        let outcomes = self.store.release(sale, tickets).await?;
        if outcomes.contains(&ReleaseResult::Released) {
            self.gates.invalidate(sale);
        }
        with_statuses(outcomes, tickets, &*self.store, sale).await
    }
}

/// Pairs every ticket's outcome with its status.
async fn with_statuses<T>(
    outcomes: Vec<T>,
    tickets: &[TicketRef],
    store: &dyn Store,
    sale: &SaleId,
) -> Result<Vec<MutationResult<T>>, StoreError> {
    let found = look_up(store, sale, tickets).await?;
    Ok(outcomes.into_iter().zip(found).map(|(outcome, found)| MutationResult { outcome, found }).collect())
}

async fn look_up(
    store: &dyn Store,
    sale: &SaleId,
    tickets: &[TicketRef],
) -> Result<Vec<TicketLookup>, StoreError> {
    let reply = store.look_up(sale, tickets).await?;
    let found = |status| TicketLookup { measured_pace: reply.measured_pace, status };
    Ok(reply.statuses.into_iter().map(found).collect())
}
