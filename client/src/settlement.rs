//! What the order system tells after an order exists.

use inrush_proto::v1::ReleaseOrderRequest;

use crate::{client::Client, error::CallError, status::TicketStatus};

/// Settles what happens to orders later; from [`Client::settlement`].
#[derive(Debug, Clone)]
pub struct Settlement {
    client: Client,
}

impl Client {
    /// The calls about orders that exist.
    pub fn settlement(&self) -> Settlement {
        Settlement { client: self.clone() }
    }
}

impl Settlement {
    /// Gives the units of an order that was never paid back to the sale. `ticket_id` is the ticket's name as it
    /// came with the order, `sale/epoch/seq`. [`CallError::FailedPrecondition`] while the ticket is not ordered.
    pub async fn release_order(&self, ticket_id: impl Into<String>) -> Result<Released, CallError> {
        let message = ReleaseOrderRequest { ticket_id: ticket_id.into() };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.settlement().release_order(request).await })
            })
            .await?;
        Ok(Released { status: TicketStatus::required(reply.status)?, repeated: reply.repeated })
    }
}

/// The units are back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Where the ticket stands.
    pub status: TicketStatus,
    /// True when an earlier call had released it already (a retry of this client counts as one).
    pub repeated: bool,
}
