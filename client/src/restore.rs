//! Restoring a ticket that the server's store has lost, for those who follow or watch it.

use crate::{
    client::Client,
    error::CallError,
    outcome::Enqueued,
    status::{TicketState, TicketStatus},
    ticket::{Ticket, TicketRequest},
};

/// A status, and the ticket that it is of.
pub(crate) struct Restored {
    pub(crate) ticket: Ticket,
    pub(crate) status: TicketStatus,
    /// Whether the buyer is in the queue again: with the same ticket, or with another if it cannot be restored.
    pub(crate) is_restored: bool,
}

/// Restores the ticket if this status says that it is lost, and what it was requested with is known.
pub(crate) async fn restore_if_lost(
    client: &Client,
    ticket: Ticket,
    status: TicketStatus,
) -> Result<Restored, CallError> {
    let Some(request) = ticket.request().filter(|_| status.state == TicketState::Lost) else {
        return Ok(Restored { ticket, status, is_restored: false });
    };
    let TicketRequest { sale, buyer, units, payload } = &**request;
    tracing::info!(?ticket, sale, "the store has lost the ticket; restoring it");
    match client.restore(&ticket, sale, buyer, *units, payload.clone()).await? {
        Enqueued::Queued { ticket, status, .. } => Ok(Restored { ticket, status, is_restored: true }),
        Enqueued::Refused(_) | Enqueued::Bypass => Ok(Restored { ticket, status, is_restored: false }),
    }
}
