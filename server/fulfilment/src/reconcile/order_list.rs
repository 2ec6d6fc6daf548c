//! The list of orders of the order system.

use std::time::{Duration, UNIX_EPOCH};

use inrush_core::{SaleId, TicketId, Timestamp, epochs::TicketRef, store::KnownOrder};
use inrush_proto::v1::{
    self, ListOrdersRequest, ListOrdersResponse, known_order::State,
    order_creation_service_client::OrderCreationServiceClient,
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

/// The time for one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the orders of sales from the order system.
#[derive(Clone, Debug)]
pub struct OrderList {
    client: OrderCreationServiceClient<Channel>,
}

/// Why orders cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The order system has no `ListOrders`.
    #[error("the order system does not implement ListOrders")]
    Unimplemented,
    /// The call failed.
    #[error("listing the orders failed: {}: {}", .0.code(), .0.message())]
    Failed(Box<Status>),
}

/// One page of orders.
#[derive(Clone, Debug, Default)]
pub struct OrderPage {
    /// The orders, as the order system lists them.
    pub orders: Vec<v1::KnownOrder>,
    /// Continues the list; empty at its end.
    pub next: String,
}

impl OrderList {
    /// The list of the order system at these addresses. It connects with the first call.
    #[must_use]
    pub(crate) fn new(endpoints: &[Endpoint]) -> Self {
        let endpoints = endpoints.iter().map(|endpoint| endpoint.clone().timeout(PAGE_TIMEOUT));
        Self { client: OrderCreationServiceClient::new(Channel::balance_list(endpoints)) }
    }

    /// A page of the orders of one creation of a sale; `after` is [`OrderPage::next`] of the page before, or empty.
    ///
    /// # Errors
    /// The page cannot be read.
    pub async fn page(
        &self,
        sale: &SaleId,
        created_at: Timestamp,
        after: String,
    ) -> Result<OrderPage, ListError> {
        let request = ListOrdersRequest {
            sale_id: sale.to_string(),
            sale_create_time: Some((UNIX_EPOCH + Duration::from_millis(created_at.0)).into()),
            page_token: after,
            ..ListOrdersRequest::default()
        };
        match self.client.clone().list_orders(request).await {
            Ok(response) => {
                let ListOrdersResponse { orders, next_page_token } = response.into_inner();
                Ok(OrderPage { orders, next: next_page_token })
            }
            Err(status) if status.code() == Code::Unimplemented => Err(ListError::Unimplemented),
            Err(status) => Err(ListError::Failed(Box::new(status))),
        }
    }
}

/// The order as the store compares it; `None` if it is not an order of this sale.
#[must_use]
pub(crate) fn known_order(sale: &SaleId, order: &v1::KnownOrder) -> Option<KnownOrder> {
    let ticket: TicketId = order.ticket_id.parse().ok().filter(|ticket: &TicketId| ticket.sale == *sale)?;
    let released = match order.state() {
        State::Ordered => false,
        State::Released => true,
        State::Unspecified => return None,
    };
    let is_valid = order.units > 0 && !order.order_id.is_empty();
    is_valid.then_some(KnownOrder {
        ticket: TicketRef::from(&ticket),
        buyer: order.buyer_id.parse().ok()?,
        units: order.units,
        order_id: order.order_id.clone(),
        released,
    })
}
