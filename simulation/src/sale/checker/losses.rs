//! Checks that no acknowledged ticket was lost.

use std::collections::HashMap;

use inrush_proto::v1::TicketState;

use super::findings::Findings;
use crate::{
    order_system::{OrderRecord, OrderRecords},
    sale::{evidence::Evidence, ticket::Ticket},
};

pub(super) fn lost(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let orders = evidence.orders.as_ref().map(by_ticket);
    let last_served = last_served(evidence);
    for ticket in &evidence.tickets {
        let seen = orders.as_ref().filter(|_| !ticket.inherited);
        let order = seen.map(|orders| orders.get(&(ticket.epoch, ticket.seq)).copied());
        if let Some(why) = loss(evidence, ticket, order, last_served) {
            found.add(|| format!("{ticket}: {why}"));
        }
    }
    found
}

/// Why a ticket is lost; `None` if it is not. `order` is `None` if the orders are unknown.
fn loss(
    evidence: &Evidence,
    ticket: &Ticket,
    order: Option<Option<&OrderRecord>>,
    last_served: (u64, u64),
) -> Option<&'static str> {
    let made = |order: &OrderRecord| ticket.order == Some(order.id_hash);
    match (ticket.state, order) {
        (TicketState::Ordered | TicketState::Released, Some(None)) => {
            Some("has an order in its answer that was never created")
        }
        (TicketState::Ordered | TicketState::Released, Some(Some(order))) if !made(order) => {
            Some("has another order in its answer than the one that was created")
        }
        (TicketState::Released, Some(Some(order))) if ticket.release_sent.is_none() && !order.released => {
            Some("released without a request")
        }
        (TicketState::Ordered, Some(Some(order))) if order.released => {
            Some("still ORDERED, though its order was released")
        }
        (TicketState::Ordered | TicketState::Released, _) => None,
        (TicketState::Cancelled | TicketState::Rejected | TicketState::Expired, Some(Some(_))) => {
            Some("has an order that its buyer does not know of")
        }
        (TicketState::Cancelled, _) if !ticket.cancel_sent => Some("cancelled without a request"),
        (TicketState::Cancelled, _) => None,
        (TicketState::Rejected, Some(None)) if !may_reject(evidence) => {
            Some("rejected, though the order system rejects nothing")
        }
        (TicketState::Rejected, _) => None,
        // The queue is served in order: an expired ticket must be behind all served ones.
        (TicketState::Expired, _) if (ticket.epoch, ticket.seq) < last_served => Some("passed over"),
        (TicketState::Expired, _) => None,
        (TicketState::Waiting, _) if !evidence.closed => None,
        (TicketState::Waiting | TicketState::Unspecified, _) => {
            Some("still WAITING when everything was over")
        }
        (TicketState::Processing, _) => Some("still PROCESSING when everything was over"),
        (TicketState::Dead, _) => Some("out of attempts"),
        (TicketState::Lost, _) => Some("lost by the store and not restored"),
    }
}

fn may_reject(evidence: &Evidence) -> bool {
    evidence.orders.as_ref().is_some_and(|orders| orders.may_reject)
}

fn by_ticket(orders: &OrderRecords) -> HashMap<(u64, u64), &OrderRecord> {
    orders.orders.iter().map(|order| ((order.epoch, order.seq), order)).collect()
}

/// The last ticket that was served, as far as it is known.
fn last_served(evidence: &Evidence) -> (u64, u64) {
    let served = evidence
        .tickets
        .iter()
        .filter(|ticket| matches!(ticket.state, TicketState::Ordered | TicketState::Released));
    let answered = served.map(|ticket| (ticket.epoch, ticket.seq)).max();
    let seen = evidence
        .orders
        .iter()
        .flat_map(|orders| &orders.deliveries)
        .map(|delivery| (delivery.epoch, delivery.seq))
        .max();
    answered.max(seen).unwrap_or_default()
}
