//! The calls of an order system about existing orders.

use inrush_proto::v1::ReleaseOrderRequest;

use crate::{client::Client, error::CallError, status::TicketStatus};

/// Releases orders; from [`Client::settlement`].
#[derive(Debug, Clone)]
pub struct Settlement {
    client: Client,
}

impl Client {
    /// The calls about existing orders.
    pub fn settlement(&self) -> Settlement {
        Settlement { client: self.clone() }
    }
}

impl Settlement {
    /// Returns the units of an order that was never paid to its sale. `ticket_id` is the id that came with
    /// the order, `sale/epoch/seq`. [`CallError::FailedPrecondition`] if the ticket is not ordered.
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

/// The units are returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The status of the ticket.
    pub status: TicketStatus,
    /// True if an earlier call had released it (a failed attempt of the same call counts as one).
    pub repeated: bool,
}
