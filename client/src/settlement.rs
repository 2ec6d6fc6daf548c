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
    /// the order, `sale/epoch/seq`. [`CallError::FailedPrecondition`] if the ticket may still get an order: call
    /// again later. A ticket that is cancelled, rejected or expired holds no units and stays as it is.
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

/// The ticket holds no units any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The status of the ticket.
    pub status: TicketStatus,
    /// True if the call returned no units, since an earlier one had (a failed attempt of the same call counts as one), or
    /// since the ticket held none.
    pub repeated: bool,
}
