//! Orders of the order system in messages, and how they compare with their tickets.

use inrush_core::{
    SaleId, TicketId,
    epochs::TicketRef,
    sale::MAX_UNITS_PER_TICKET,
    store::{Finding, KnownOrder},
};
use inrush_proto::v1::{self, known_order::State, order_comparison as message};

use crate::{call_error::CallError, service::convert};

/// Room for an order id, as in the order contract.
const MAX_ORDER_ID: usize = 128;

/// The order of a message.
pub(super) fn known_order(sale: &SaleId, order: &v1::KnownOrder) -> Result<KnownOrder, CallError> {
    let ticket: TicketId = order
        .ticket_id
        .parse()
        .map_err(|error| CallError::field("orders.ticket_id", format!("{:?}: {error}", order.ticket_id)))?;
    if ticket.sale != *sale {
        let other = format!("{:?} is a ticket of another sale", order.ticket_id);
        return Err(CallError::field("orders.ticket_id", other));
    }
    if !(1..=MAX_ORDER_ID).contains(&order.order_id.len()) {
        return Err(CallError::field("orders.order_id", "must be 1 to 128 bytes"));
    }
    if !(1..=MAX_UNITS_PER_TICKET).contains(&order.units) {
        return Err(CallError::field("orders.units", "must be 1 to 1000000"));
    }
    let released = match order.state() {
        State::Ordered => false,
        State::Released => true,
        State::Unspecified => {
            return Err(CallError::field("orders.state", "must be STATE_ORDERED or STATE_RELEASED"));
        }
    };
    let ticket = TicketRef::from(&ticket);
    let (units, order_id) = (order.units, order.order_id.clone());
    Ok(KnownOrder { ticket, buyer: order.buyer_id.parse()?, units, order_id, released })
}

/// The message of a finding.
pub(super) fn comparison(finding: Finding) -> v1::OrderComparison {
    let (finding, state) = match finding {
        Finding::Same => (message::Finding::Same, None),
        Finding::Pending => (message::Finding::Pending, None),
        Finding::Settled { was } => (message::Finding::Forgotten, Some(convert::ticket_state(was))),
        Finding::OtherOrder => (message::Finding::OtherOrder, None),
        Finding::OtherBuyer => (message::Finding::OtherBuyer, None),
        Finding::ReleasedOnlyHere => (message::Finding::ReleasedInQueue, None),
        Finding::EndedHere => (message::Finding::EndedInQueue, None),
        Finding::Ahead => (message::Finding::AheadOfQueue, None),
        Finding::Foreign => (message::Finding::Foreign, None),
        Finding::Repeated => (message::Finding::Repeated, None),
        Finding::Unreadable => (message::Finding::Unreadable, None),
    };
    v1::OrderComparison { finding: finding.into(), ticket_state: state.unwrap_or_default().into() }
}
