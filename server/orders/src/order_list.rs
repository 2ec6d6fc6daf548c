//! `ListOrders`: the orders of one creation of a sale, page by page.

use inrush_proto::v1::{KnownOrder, ListOrdersRequest, ListOrdersResponse, known_order::State};
use tonic::Status;

use crate::{
    creation_time,
    order_store::{Order, OrderState, OrderStore, SaleKey},
};

/// Orders on a page if the request does not say; about 100 KiB.
const DEFAULT_PAGE: u32 = 1_000;
/// The most orders on a page: with the longest ids about 2 MiB.
const MAX_PAGE: u32 = 5_000;

/// One page.
pub(crate) async fn list_orders(
    store: &OrderStore,
    request: ListOrdersRequest,
) -> Result<ListOrdersResponse, Status> {
    let time = |name: &str, time| {
        creation_time::read(time)
            .ok_or_else(|| Status::invalid_argument(format!("{name} must be a time between 1970 and 9999")))
    };
    let created_at = time("sale_create_time", request.sale_create_time)?;
    if created_at == 0 {
        return Err(Status::invalid_argument(
            "sale_create_time is required: it is the create_time of the sale",
        ));
    }
    let changed_since = time("changed_since", request.changed_since)?;
    let after = read_token(&request.page_token)?;
    let limit = match request.page_size {
        0 => DEFAULT_PAGE,
        size => size.min(MAX_PAGE),
    };
    let sale = SaleKey { sale_id: request.sale_id, created_at };
    let orders = store.orders_of(&sale, after, changed_since, limit).await.map_err(|error| {
        tracing::warn!(sale = sale.sale_id, %error, "orders cannot be listed");
        Status::unavailable("the order database does not answer; retry")
    })?;
    let is_full = orders.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = orders.last().filter(|_| is_full).map(|order| order.sequence.to_string());
    Ok(ListOrdersResponse {
        orders: orders.into_iter().map(known_order).collect(),
        next_page_token: last.unwrap_or_default(),
    })
}

/// A page token is the sequence of the last order of the page before.
fn read_token(token: &str) -> Result<u64, Status> {
    if token.is_empty() {
        return Ok(0);
    }
    let after = token.parse().ok().filter(|after| i64::try_from(*after).is_ok());
    after.ok_or_else(|| {
        Status::invalid_argument("page_token must be next_page_token of the page before, or empty")
    })
}

fn known_order(order: Order) -> KnownOrder {
    let state = match order.state {
        OrderState::Paid | OrderState::AwaitingPayment => State::Ordered,
        OrderState::Released => State::Released,
    };
    KnownOrder {
        ticket_id: order.ticket_id,
        order_id: order.order_id,
        buyer_id: order.buyer_id,
        units: order.units,
        state: state.into(),
    }
}
