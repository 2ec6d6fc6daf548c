//! Checks that no more units were sold or admitted than there are.

use std::{collections::HashMap, time::Duration};

use inrush_proto::v1::TicketState;

use super::findings::Findings;
use crate::{order_system::OrderRecords, sale::evidence::Evidence};

pub(super) fn oversold(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    if let Some(stock) = evidence.stock {
        let sold = match &evidence.orders {
            Some(orders) => most_sold(evidence, orders),
            None => units_in(evidence, TicketState::Ordered),
        };
        found.add_some(sold.saturating_sub(stock), || format!("{sold} units sold of {stock}"));
    }
    if evidence.fresh && evidence.stock.is_some() {
        let held = units_held(evidence);
        let cap = evidence.cap;
        found.add_some(held.saturating_sub(cap), || format!("{held} units in the queue, of at most {cap}"));
    }
    found
}

/// The maximum number of units that were sold at the same time. A release counts from the moment of its request: it may
/// have happened immediately.
fn most_sold(evidence: &Evidence, orders: &OrderRecords) -> u64 {
    let releases: HashMap<(u64, u64), Duration> = evidence
        .tickets
        .iter()
        .filter_map(|ticket| Some(((ticket.epoch, ticket.seq), ticket.release_sent?)))
        .collect();
    let mut changes: Vec<(Duration, i64)> = Vec::new();
    // If the order system releases orders itself, the time of a release is unknown.
    for order in orders.orders.iter().filter(|order| !order.released) {
        let units = i64::try_from(order.units).unwrap_or(i64::MAX);
        changes.push((order.at, units));
        if let Some(&at) = releases.get(&(order.epoch, order.seq)) {
            changes.push((at.max(order.at), -units));
        }
    }
    // At the same time, releases come first.
    changes.sort_unstable();
    let mut sold = 0_i64;
    let most = changes.into_iter().map(|(_, units)| {
        sold = sold.saturating_add(units);
        sold
    });
    most.max().and_then(|most| u64::try_from(most).ok()).unwrap_or_default()
}

/// Nothing changed any more when the sale was closed: every ticket whose units were not released was held then.
fn units_held(evidence: &Evidence) -> u64 {
    use TicketState::{Cancelled, Rejected, Released};
    let given_back =
        units_in(evidence, Cancelled) + units_in(evidence, Rejected) + units_in(evidence, Released);
    (evidence.tickets.len() as u64 * evidence.units_per_ticket).saturating_sub(given_back)
}

fn units_in(evidence: &Evidence, state: TicketState) -> u64 {
    let tickets = evidence.tickets.iter().filter(|ticket| ticket.state == state).count();
    tickets as u64 * evidence.units_per_ticket
}
