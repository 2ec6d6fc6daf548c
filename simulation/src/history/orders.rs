//! Orders and the answers about them (I8, I10, and that no buyer learns of another's order).

use std::collections::BTreeMap;

use super::{
    findings::Findings,
    index::{Index, seconds},
    model::{Order, Request, State},
    rule::Rule,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    one_order_per_ticket(index, found);
    answers_match(index, found);
    cancelled_is_not_delivered(index, found);
    line_and_book_agree(index, found);
}

fn one_order_per_ticket(index: &Index<'_>, found: &mut Findings) {
    for (ticket, orders) in &index.orders {
        if let [one, other, ..] = orders.as_slice() {
            found.add(Rule::I8, other.created_at, &[&one.buyer, &other.buyer], || {
                format!("ticket {ticket} has the orders {} and {}", one.id, other.id)
            });
        }
    }
}

/// An order that a buyer gets exists, is this buyer's, and is that of the ticket.
fn answers_match(index: &Index<'_>, found: &mut Findings) {
    let book: BTreeMap<&str, &Order> =
        index.history.orders.iter().map(|order| (order.id.as_str(), order)).collect();
    for seen in index.seen.values().flatten() {
        let Some(id) = &seen.answer.order else { continue };
        let (buyer, at) = (seen.call.buyer.as_str(), seen.call.end);
        match book.get(id.as_str()) {
            None => found.add(Rule::I8, at, &[buyer], || format!("there is no order {id}: {}", seen.text())),
            Some(order) if order.buyer != buyer => {
                found.add(Rule::OrdersArePrivate, at, &[buyer, &order.buyer], || {
                    format!("{buyer} got order {id}, which is that of {}: {}", order.buyer, seen.text())
                });
            }
            Some(order) if order.ticket != seen.answer.ticket => found.add(Rule::I8, at, &[buyer], || {
                format!("order {id} is that of ticket {}, not of {}", order.ticket, seen.answer.ticket)
            }),
            Some(_) => {}
        }
    }
}

/// A ticket that was cancelled is never delivered, unless the store forgot the claim or the cancellation.
fn cancelled_is_not_delivered(index: &Index<'_>, found: &mut Findings) {
    for (ticket, seen) in &index.seen {
        let cancelled = seen.iter().find(|seen| {
            matches!(seen.call.request, Request::Cancel { .. }) && seen.answer.state == State::Cancelled
        });
        let (Some(cancel), Some(delivery)) =
            (cancelled, index.deliveries.get(ticket).and_then(|deliveries| deliveries.first()))
        else {
            continue;
        };
        // A worker may deliver an entry long after the store has forgotten its claim.
        let asked = index.asked_at(*ticket, &cancel.call.buyer).unwrap_or_default();
        if !index.loss_between(asked, cancel.call.end.max(delivery.at)) {
            found.add(Rule::I10, cancel.call.end, &[&cancel.call.buyer], || {
                format!("ticket {ticket} was delivered at {}, and {}", seconds(delivery.at), cancel.text())
            });
        }
    }
}

/// At rest the queue and the order book say the same of a ticket.
fn line_and_book_agree(index: &Index<'_>, found: &mut Findings) {
    for (ticket, seen) in index.at_rest() {
        let order = index.orders.get(&ticket).and_then(|orders| orders.first());
        let wrong = match (seen.answer.state, order) {
            (State::Ordered | State::Released, None) => Some("it has no order"),
            (State::Rejected, Some(order)) if order.released_at.is_none() => Some("it has an order"),
            (State::Released, Some(order)) if order.released_at.is_none() => {
                Some("its order was not released")
            }
            // The rest is certain only if nothing was forgotten: neither a claim nor a release.
            _ if index.loss_between(0, seen.call.end) => None,
            (State::Ordered, Some(order)) if order.released_at.is_some() => Some("its order was released"),
            (State::Cancelled | State::Expired, Some(_)) => Some("it has an order"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            found.add(Rule::I8, seen.call.end, &[&seen.call.buyer], || {
                format!("ticket {ticket}: {}, and in the order book {wrong}", seen.text())
            });
        }
    }
}
