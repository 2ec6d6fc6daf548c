//! The list of orders of the order system.

use std::time::{Duration, UNIX_EPOCH};

use inrush_core::{
    SaleId, TicketId, Timestamp, epochs::TicketRef, sale::MAX_UNITS_PER_TICKET, store::KnownOrder,
};
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

/// Orders on a page that is asked for. What a page has at most is bounded by the largest message, 4 MiB.
const PAGE_SIZE: u32 = 1_000;

/// The most pages of a list, so that one that never ends is given up.
const MAX_PAGES: u32 = 100_000;

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
    /// The pages do not end.
    #[error(
        "the list of orders does not end: a page names itself as the next one, or there are more than {MAX_PAGES}"
    )]
    Endless,
}

/// The orders of one creation of a sale, page by page.
#[derive(Clone, Debug)]
pub struct OrderPages {
    client: OrderCreationServiceClient<Channel>,
    /// The request for the next page; `None` after the last.
    request: Option<ListOrdersRequest>,
    read: u32,
}

impl OrderList {
    /// The list of the order system at these addresses. It connects with the first call.
    #[must_use]
    pub(crate) fn new(endpoints: &[Endpoint]) -> Self {
        let endpoints = endpoints.iter().map(|endpoint| endpoint.clone().timeout(PAGE_TIMEOUT));
        Self { client: OrderCreationServiceClient::new(Channel::balance_list(endpoints)) }
    }

    /// The orders of one creation of a sale.
    #[must_use]
    pub fn pages(&self, sale: &SaleId, created_at: Timestamp) -> OrderPages {
        let request = ListOrdersRequest {
            sale_id: sale.to_string(),
            sale_create_time: Some((UNIX_EPOCH + Duration::from_millis(created_at.0)).into()),
            page_size: PAGE_SIZE,
            ..ListOrdersRequest::default()
        };
        OrderPages { client: self.client.clone(), request: Some(request), read: 0 }
    }
}

impl OrderPages {
    /// The orders of the next page, as the order system lists them; `None` after the last page.
    ///
    /// # Errors
    /// The page cannot be read, or the list does not end.
    pub async fn next(&mut self) -> Result<Option<Vec<v1::KnownOrder>>, ListError> {
        let Some(request) = &mut self.request else { return Ok(None) };
        if self.read == MAX_PAGES {
            return Err(ListError::Endless);
        }
        let ListOrdersResponse { orders, next_page_token } =
            self.client.list_orders(request.clone()).await.map_err(ListError::of)?.into_inner();
        self.read += 1;
        if next_page_token.is_empty() {
            self.request = None;
        } else if next_page_token == request.page_token {
            return Err(ListError::Endless);
        } else {
            request.page_token = next_page_token;
        }
        Ok(Some(orders))
    }
}

impl ListError {
    fn of(status: Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::Unimplemented,
            _ => Self::Failed(Box::new(status)),
        }
    }

    /// Whether a repeat may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unimplemented | Self::Endless => false,
            Self::Failed(status) => !matches!(
                status.code(),
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::FailedPrecondition
                    | Code::OutOfRange
                    | Code::DataLoss
            ),
        }
    }
}

/// The order as the store compares it; `None` if it is not an order of this sale, or no order that a ticket can have.
#[must_use]
pub(crate) fn known_order(sale: &SaleId, order: &v1::KnownOrder) -> Option<KnownOrder> {
    let ticket: TicketId = order.ticket_id.parse().ok().filter(|ticket: &TicketId| ticket.sale == *sale)?;
    let released = match order.state() {
        State::Ordered => false,
        State::Released => true,
        State::Unspecified => return None,
    };
    let is_valid = (1..=MAX_UNITS_PER_TICKET).contains(&order.units) && !order.order_id.is_empty();
    is_valid.then_some(KnownOrder {
        ticket: TicketRef::from(&ticket),
        buyer: order.buyer_id.parse().ok()?,
        units: order.units,
        order_id: order.order_id.clone(),
        released,
    })
}
