//! The calls of buyers: enqueue, poll, cancel.

use bytes::Bytes;
use inrush_proto::v1::{
    BatchPollStatusRequest, CancelRequest, EnqueueRequest, PollStatusRequest,
    TicketError as ProtoTicketError, batch_poll_status_result::Result as PollResult,
};

use crate::{
    client::Client,
    error::CallError,
    outcome::{Cancellation, Enqueued, TicketError},
    status::TicketStatus,
    ticket::{Ticket, TicketRequest},
};

/// Tickets in one BatchPollStatus; the limit of the protocol.
const MAX_BATCH: usize = 256;

impl Client {
    /// Requests units of a sale for a buyer, all or nothing. `payload` (at most 4096 bytes) is passed to the
    /// order system unchanged. A repeated request of the same buyer returns the same ticket.
    pub async fn enqueue(
        &self,
        sale: impl Into<String>,
        buyer: impl Into<String>,
        units: u64,
        payload: impl Into<Bytes>,
    ) -> Result<Enqueued, CallError> {
        self.enqueue_or_restore(sale.into(), buyer.into(), units, payload.into(), None).await
    }

    /// Restores a ticket that the server's store has lost ([`TicketState::Lost`](crate::TicketState::Lost)), with what it
    /// was requested with. The buyer gets the same ticket in its old place, also the order that it had; or, if it cannot be
    /// restored, what `enqueue` returns.
    pub async fn restore(
        &self,
        ticket: &Ticket,
        sale: impl Into<String>,
        buyer: impl Into<String>,
        units: u64,
        payload: impl Into<Bytes>,
    ) -> Result<Enqueued, CallError> {
        self.enqueue_or_restore(sale.into(), buyer.into(), units, payload.into(), Some(ticket)).await
    }

    async fn enqueue_or_restore(
        &self,
        sale_id: String,
        buyer_id: String,
        units: u64,
        payload: Bytes,
        lost: Option<&Ticket>,
    ) -> Result<Enqueued, CallError> {
        let previous_ticket = lost.map_or_else(String::new, |ticket| ticket.as_str().to_owned());
        let request =
            TicketRequest { sale: sale_id.clone(), buyer: buyer_id.clone(), units, payload: payload.clone() };
        let message = EnqueueRequest { sale_id, buyer_id, units, payload, previous_ticket };
        let reply = self
            .call(message, |clients, request| Box::pin(async move { clients.queue().enqueue(request).await }))
            .await?;
        Ok(Enqueued::from_reply(reply)?.requested_with(request))
    }

    /// Polls the status of a ticket.
    pub async fn poll(&self, ticket: &Ticket) -> Result<TicketStatus, CallError> {
        let message = PollStatusRequest { ticket: ticket.as_str().to_owned() };
        let reply = self
            .call(message, |clients, request| {
                Box::pin(async move { clients.queue().poll_status(request).await })
            })
            .await?;
        TicketStatus::required(reply.status)
    }

    /// Polls the statuses of many tickets, of any sales, 256 in one request. The results are in the order of
    /// the tickets. Fails as a whole if a request fails.
    pub async fn poll_many(
        &self,
        tickets: &[Ticket],
    ) -> Result<Vec<Result<TicketStatus, TicketError>>, CallError> {
        let mut statuses = Vec::with_capacity(tickets.len());
        for batch in tickets.chunks(MAX_BATCH) {
            self.poll_batch(batch, &mut statuses).await?;
        }
        Ok(statuses)
    }

    /// Cancels a waiting ticket; its units are free immediately. Being too late is a value, not an error.
    pub async fn cancel(&self, ticket: &Ticket) -> Result<Cancellation, CallError> {
        let message = CancelRequest { ticket: ticket.as_str().to_owned() };
        let reply = self
            .call(message, |clients, request| Box::pin(async move { clients.queue().cancel(request).await }))
            .await?;
        Cancellation::from_reply(reply)
    }

    async fn poll_batch(
        &self,
        batch: &[Ticket],
        statuses: &mut Vec<Result<TicketStatus, TicketError>>,
    ) -> Result<(), CallError> {
        let tickets = batch.iter().map(|ticket| ticket.as_str().to_owned()).collect();
        let reply = self
            .call(BatchPollStatusRequest { tickets }, |clients, request| {
                Box::pin(async move { clients.queue().batch_poll_status(request).await })
            })
            .await?;
        if reply.results.len() != batch.len() {
            return Err(CallError::malformed("the number of results differs from the number of tickets"));
        }
        for result in reply.results {
            statuses.push(status_or_error(result.result)?);
        }
        Ok(())
    }
}

fn status_or_error(result: Option<PollResult>) -> Result<Result<TicketStatus, TicketError>, CallError> {
    match result {
        Some(PollResult::Status(status)) => Ok(Ok(status.into())),
        Some(PollResult::Error(ProtoTicketError { reason, message })) => {
            Ok(Err(TicketError { reason, message }))
        }
        None => Err(CallError::malformed("a result is neither a status nor an error")),
    }
}
