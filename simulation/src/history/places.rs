//! One place has one buyer (I3, I5 and the rule of the design).

use std::collections::BTreeMap;

use super::{
    findings::Findings,
    index::{Index, seconds},
    model::{Nanos, Outcome, Request, TicketName},
    rule::Rule,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    one_buyer(index, found);
    asked_for(index, found);
    rising(index, found);
}

/// Answers, deliveries and orders name one buyer for each ticket; a signed ticket is one buyer's.
fn one_buyer(index: &Index<'_>, found: &mut Findings) {
    let mut owners: BTreeMap<TicketName, &str> = BTreeMap::new();
    let mut signed: BTreeMap<&str, &str> = BTreeMap::new();
    let mut give = |ticket: TicketName, buyer, at, how: &str, found: &mut Findings| {
        let owner = *owners.entry(ticket).or_insert(buyer);
        if owner != buyer {
            found.add(Rule::OnePlaceOneBuyer, at, &[owner, buyer], || {
                format!("ticket {ticket} of {owner} {how} {buyer} at {}", seconds(at))
            });
        }
    };
    for seen in index.seen.values().flatten().filter(|seen| seen.is_enqueue()) {
        let (buyer, at) = (seen.call.buyer.as_str(), seen.call.end);
        give(seen.answer.ticket, buyer, at, "was given to", found);
        if seen.answer.signed.is_empty() {
            continue;
        }
        let owner = *signed.entry(&seen.answer.signed).or_insert(buyer);
        if owner != buyer {
            found.add(Rule::OnePlaceOneBuyer, at, &[owner, buyer], || {
                format!("the signed ticket {} is that of {owner} and of {buyer}", seen.answer.signed)
            });
        }
    }
    for delivery in &index.history.deliveries {
        give(delivery.ticket, &delivery.buyer, delivery.at, "was delivered for", found);
    }
    for order in &index.history.orders {
        give(order.ticket, &order.buyer, order.created_at, "was ordered by", found);
    }
}

/// Every delivery and order was asked for by its buyer, with its units, and every order was delivered.
fn asked_for(index: &Index<'_>, found: &mut Findings) {
    let deliveries = index.history.deliveries.iter();
    let deliveries = deliveries.map(|it| ("delivered", it.at, it.ticket, it.buyer.as_str(), it.units));
    let orders = index.history.orders.iter();
    let orders = orders.map(|it| ("ordered", it.created_at, it.ticket, it.buyer.as_str(), it.units));
    for (verb, at, ticket, buyer, units) in deliveries.chain(orders) {
        let mut enqueues = index.enqueues.get(buyer).into_iter().flatten();
        let asked = enqueues.any(|call| {
            let asked = matches!(call.request, Request::Enqueue { units: asked, .. } if asked == units);
            asked && call.start <= at
        });
        if !asked {
            found.add(Rule::I3, at, &[buyer], || {
                format!(
                    "ticket {ticket} was {verb} for {buyer} with {units} units at {}, without a request",
                    seconds(at)
                )
            });
        }
    }
    admitted(index, found);
    if index.history.deliveries.is_empty() {
        return;
    }
    for order in index.history.orders.iter().filter(|order| !index.deliveries.contains_key(&order.ticket)) {
        found.add(Rule::I3, order.created_at, &[&order.buyer], || {
            format!(
                "order {} of ticket {} exists, and the ticket was never delivered",
                order.id, order.ticket
            )
        });
    }
}

/// The ledger counts no more tickets than were given out, or may have been.
fn admitted(index: &Index<'_>, found: &mut Findings) {
    for reading in &index.history.readings {
        let answered = index.seen.values().filter(|seen| seen.iter().any(|seen| seen.is_enqueue()));
        let given = answered.filter(|seen| seen.iter().any(|seen| seen.call.start <= reading.at)).count();
        let calls = index.enqueues.values().flatten().filter(|call| call.start <= reading.at);
        let unknown = calls.filter(|call| !matches!(call.outcome, Outcome::Answered(_))).count();
        if reading.admitted.tickets > (given + unknown) as u64 {
            found.add(Rule::I3, reading.at, &[], || {
                format!(
                    "the ledger counts {} admitted tickets at {}; {given} were given out, and {unknown} more may have been",
                    reading.admitted.tickets,
                    seconds(reading.at)
                )
            });
        }
    }
}

/// A buyer who had its answer before another asked has the lower name.
fn rising(index: &Index<'_>, found: &mut Findings) {
    let mut asked: Vec<(Nanos, TicketName, &str)> = Vec::new();
    let mut answered: Vec<(Nanos, TicketName, &str)> = Vec::new();
    for (&ticket, seen) in &index.seen {
        let Some(first) = seen.iter().find(|seen| seen.is_enqueue()) else { continue };
        let buyer = first.call.buyer.as_str();
        answered.push((first.call.end, ticket, buyer));
        asked.extend(index.asked_at(ticket, buyer).map(|at| (at, ticket, buyer)));
    }
    asked.sort_unstable();
    answered.sort_unstable();
    let mut answered = answered.into_iter().peekable();
    let mut highest: Option<(Nanos, TicketName, &str)> = None;
    for (at, ticket, buyer) in asked {
        while let Some(earlier) = answered.next_if(|(answered, ..)| *answered < at) {
            if highest.is_none_or(|(_, higher, _)| earlier.1 > higher) {
                highest = Some(earlier);
            }
        }
        if let Some((answered, higher, other)) = highest.filter(|(_, higher, _)| ticket <= *higher) {
            found.add(Rule::I5, at, &[buyer, other], || {
                format!(
                    "{buyer} asked for ticket {ticket} at {}, after {other} had ticket {higher} at {}",
                    seconds(at),
                    seconds(answered)
                )
            });
        }
    }
}
