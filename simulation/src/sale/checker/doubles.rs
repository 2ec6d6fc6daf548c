//! Checks for duplicate tickets and orders, and for those without a request.

use std::collections::{HashMap, HashSet};

use inrush_proto::v1::TicketState;

use super::findings::Findings;
use crate::{
    buyer::Buyer,
    order_system::{OrderRecord, OrderRecords},
    sale::evidence::Evidence,
};

pub(super) fn duplicated(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let owners = owners(evidence);
    for (&(_, seq), buyers) in owners.iter().filter(|(_, buyers)| buyers.len() > 1) {
        found.add(|| format!("ticket {seq} was given to {} buyers", buyers.len()));
    }
    second_tickets(evidence, &mut found);
    if let Some(orders) = &evidence.orders {
        second_orders(evidence, orders, &mut found);
        unasked(evidence, orders, &owners, &mut found);
    }
    found
}

/// A second ticket of a buyer whose first one was not final.
fn second_tickets(evidence: &Evidence, found: &mut Findings) {
    let mut live: HashMap<Buyer, HashSet<(u64, u64)>> = HashMap::new();
    for ticket in &evidence.tickets {
        let over = match ticket.state {
            TicketState::Cancelled | TicketState::Rejected | TicketState::Released => true,
            // Without a stock, a buyer with an order may enqueue again.
            TicketState::Ordered => evidence.stock.is_none(),
            TicketState::Unspecified
            | TicketState::Waiting
            | TicketState::Processing
            | TicketState::Expired
            | TicketState::Dead
            | TicketState::Lost => false,
        };
        if !over {
            live.entry(ticket.buyer).or_default().insert((ticket.epoch, ticket.seq));
        }
    }
    for (buyer, tickets) in live.into_iter().filter(|(_, tickets)| tickets.len() > 1) {
        let more = tickets.len() as u64 - 1;
        found.add_some(more, || format!("buyer {buyer} has {} tickets at the same time", tickets.len()));
    }
}

/// A second order for one ticket, or of one buyer whose first was not released.
fn second_orders(evidence: &Evidence, orders: &OrderRecords, found: &mut Findings) {
    let released: HashSet<(u64, u64)> = evidence
        .tickets
        .iter()
        .filter(|ticket| ticket.release_sent.is_some())
        .map(|ticket| (ticket.epoch, ticket.seq))
        .collect();
    let (mut tickets, mut buyers) = (HashSet::new(), HashSet::new());
    for order in &orders.orders {
        let OrderRecord { epoch, seq, buyer, .. } = *order;
        let counts = evidence.stock.is_some() && !order.released && !released.contains(&(epoch, seq));
        let second_of_ticket = !tickets.insert((epoch, seq));
        let second_of_buyer = buyer.is_some_and(|buyer| counts && !buyers.insert(buyer));
        if second_of_ticket || second_of_buyer {
            found.add(|| format!("a second order for ticket {seq}, or for its buyer {buyer:?}"));
        }
    }
}

/// An order for a ticket that no buyer got or can have missed.
fn unasked(
    evidence: &Evidence,
    orders: &OrderRecords,
    owners: &HashMap<(u64, u64), HashSet<Buyer>>,
    found: &mut Findings,
) {
    for order in &orders.orders {
        let asked = order.buyer.is_some_and(|buyer| {
            evidence.unresolved.contains(&buyer)
                || owners.get(&(order.epoch, order.seq)).is_some_and(|buyers| buyers.contains(&buyer))
        });
        if !asked && evidence.fresh {
            found.add(|| {
                format!("order {} for ticket {}, which was given to no buyer", order.number, order.seq)
            });
        }
    }
}

fn owners(evidence: &Evidence) -> HashMap<(u64, u64), HashSet<Buyer>> {
    let mut owners: HashMap<(u64, u64), HashSet<Buyer>> = HashMap::new();
    for ticket in &evidence.tickets {
        owners.entry((ticket.epoch, ticket.seq)).or_default().insert(ticket.buyer);
    }
    owners
}
