//! One buyer, with the same patience on either way to the order system.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, EnqueueRequest, EnqueueResponse, OrderRequest,
    PollStatusRequest, PollStatusResponse, TicketState, TicketStatus, enqueue_response::Outcome,
    order_result,
};
use inrush_transport::Answer;
use prost::Message;
use tokio::time::sleep;

use super::{
    outcome::{BuyerOutcome, End},
    rush_context::{RushContext, Way},
    settings::Settings,
};
use crate::{
    buyer::{Buyer, buyer_id},
    rpc::{Method, decoded},
};

/// Poll interval if the server gives none.
const FALLBACK: Duration = Duration::from_secs(1);

/// A buyer of a comparison.
pub(super) struct Visit {
    pub(super) context: Rc<RushContext>,
    pub(super) buyer: Buyer,
    pub(super) planned: Duration,
}

impl Visit {
    /// Tries to get an order, and returns how it ended.
    pub(super) async fn go(&self) -> BuyerOutcome {
        let end = match &self.context.way {
            Way::Straight => self.straight().await,
            Way::Through { sale } => self.through(sale).await,
        };
        BuyerOutcome { arrived: self.planned, ended: self.context.now(), end }
    }

    async fn straight(&self) -> End {
        let order = OrderRequest {
            ticket_id: format!("rush/1/{}", u64::from(self.buyer) + 1),
            sale_id: "rush".to_owned(),
            seq: u64::from(self.buyer) + 1,
            buyer_id: buyer_id(self.buyer),
            units: 1,
            attempt: 1,
            ..OrderRequest::default()
        };
        let request = CreateOrdersRequest { orders: vec![order] };
        let answered = self.persistently(Method::CreateOrders, &request, |answer: CreateOrdersResponse| {
            match answer.results.into_iter().next().and_then(|result| result.outcome) {
                Some(order_result::Outcome::Created(_)) => Some(End::Served),
                Some(order_result::Outcome::Rejected(_)) => Some(End::SoldOut),
                Some(order_result::Outcome::Retry(_)) | None => None,
            }
        });
        answered.await.unwrap_or(End::GaveUp)
    }

    async fn through(&self, sale: &str) -> End {
        let request = EnqueueRequest {
            previous_ticket: String::new(),
            sale_id: sale.to_owned(),
            buyer_id: buyer_id(self.buyer),
            units: 1,
            payload: Bytes::new(),
        };
        let outcome = self.persistently(Method::Enqueue, &request, |answer: EnqueueResponse| answer.outcome);
        let queued = match outcome.await {
            Some(Outcome::Queued(queued)) => queued,
            Some(Outcome::Refused(_) | Outcome::Bypass(_)) => return End::SoldOut,
            None => return End::GaveUp,
        };
        let mut status = queued.status.unwrap_or_default();
        let request = PollStatusRequest { ticket: queued.ticket };
        loop {
            if let Some(end) = end_of(status.state()) {
                return end;
            }
            sleep(poll_after(&status)).await;
            let polled = self
                .persistently(Method::PollStatus, &request, |answer: PollStatusResponse| answer.status)
                .await;
            match polled {
                Some(now) => status = now,
                None => return End::GaveUp,
            }
        }
    }

    /// Calls until there is a usable answer, or the retries are used up.
    async fn persistently<M: Message + Default, T>(
        &self,
        method: Method,
        request: &impl Message,
        read: impl Fn(M) -> Option<T>,
    ) -> Option<T> {
        let Settings { retries, backoff, .. } = self.context.settings;
        for attempt in 0..=retries {
            if attempt > 0 {
                let pause = backoff.saturating_mul(1 << (attempt - 1).min(16));
                sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            }
            let answer = self.call(method, request).await;
            if let Some(value) = decoded::<M>(answer).ok().and_then(&read) {
                return Some(value);
            }
        }
        None
    }

    async fn call(&self, method: Method, request: &impl Message) -> Answer {
        let sent = self.context.sent();
        let answer = self.context.calls.call(method, request, self.buyer).await;
        self.context.ended(sent, &answer);
        answer
    }
}

fn poll_after(status: &TicketStatus) -> Duration {
    status.poll_after.and_then(|after| Duration::try_from(after).ok()).unwrap_or(FALLBACK)
}

/// How a buyer's wait ends in this state; `None` while it goes on.
fn end_of(state: TicketState) -> Option<End> {
    match state {
        TicketState::Ordered | TicketState::Released => Some(End::Served),
        TicketState::Rejected | TicketState::Expired | TicketState::Cancelled => Some(End::SoldOut),
        TicketState::Unspecified
        | TicketState::Waiting
        | TicketState::Processing
        | TicketState::Dead
        | TicketState::Lost => None,
    }
}
