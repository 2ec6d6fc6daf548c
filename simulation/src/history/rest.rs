//! The end of a run: I2 and I16.

use std::collections::BTreeSet;

use super::{
    findings::Findings,
    index::{Index, Seen, seconds},
    model::{Outcome, Reading, Request, State, TicketName},
    rule::Rule,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    let Some(rest) = index.history.rest_from else { return };
    let last = index.at_rest();
    let reading = index.history.readings.iter().rfind(|reading| reading.at >= rest);
    for &(ticket, seen) in &last {
        if seen.answer.state == State::Processing {
            found.add(Rule::I2, seen.call.end, &[&seen.call.buyer], || {
                format!("ticket {ticket} is in no final state at the end: {}", seen.text())
            });
        }
    }
    all_polled(index, found);
    head_is_served(index, &last, reading, found);
    if let Some(reading) = reading {
        nothing_in_flight(reading, found);
        ordered_tickets_have_orders(index, reading, found);
    }
    stock_is_sold(index, &last, reading, found);
}

/// Every acknowledged ticket was answered at rest, if only by the answer that it is not known.
fn all_polled(index: &Index<'_>, found: &mut Findings) {
    let Some(rest) = index.history.rest_from.filter(|_| index.history.sale.all_polled_at_rest) else {
        return;
    };
    let at_rest = index.history.calls.iter().filter(|call| call.start >= rest);
    let answered: BTreeSet<TicketName> = at_rest
        .filter_map(|call| match (call.request, &call.outcome) {
            (_, Outcome::Answered(answer)) => Some(answer.ticket),
            (Request::Poll { ticket } | Request::Cancel { ticket }, Outcome::NotFound) => Some(ticket),
            _ => None,
        })
        .collect();
    for (ticket, seen) in &index.seen {
        let Some(last) = seen.last().filter(|_| !answered.contains(ticket)) else { continue };
        found.add(Rule::I2, last.call.end, &[&last.call.buyer], || {
            format!("ticket {ticket} was never answered at the end: {}", last.text())
        });
    }
}

/// Units that neither the ledger nor the order book has given away.
fn free_units(index: &Index<'_>, reading: Option<&Reading>) -> Option<u64> {
    let stock = index.history.sale.stock?;
    let dead = reading.map_or(0, |reading| reading.dead.units);
    let by_book = stock.saturating_sub(index.live_order_units() + dead);
    let by_ledger = reading.map_or(stock, |reading| {
        stock.saturating_sub(reading.in_flight.units + reading.ordered.units + reading.dead.units)
    });
    Some(by_book.min(by_ledger))
}

/// The first waiting ticket has no units that it could have.
fn head_is_served(
    index: &Index<'_>,
    last: &[(TicketName, Seen<'_>)],
    reading: Option<&Reading>,
    found: &mut Findings,
) {
    let Some((ticket, head)) = last.iter().find(|(_, seen)| seen.answer.state == State::Waiting) else {
        return;
    };
    let free = free_units(index, reading);
    let units = units_of(index, *ticket, head);
    if free.is_none_or(|free| units <= free) {
        found.add(Rule::I16, head.call.end, &[&head.call.buyer], || {
            format!(
                "ticket {ticket} of {units} units still waits, and {} units are free: {}",
                free.map_or_else(|| "all".to_owned(), |free| free.to_string()),
                head.text()
            )
        });
    }
}

fn units_of(index: &Index<'_>, ticket: TicketName, seen: &Seen<'_>) -> u64 {
    let mut calls = index.enqueues.get(seen.call.buyer.as_str()).into_iter().flatten();
    let call = calls
        .find(|call| matches!(&call.outcome, Outcome::Answered(answer) if answer.ticket == ticket))
        .map(|call| call.request);
    match call {
        Some(Request::Enqueue { units, .. }) => units,
        _ => 1,
    }
}

fn nothing_in_flight(reading: &Reading, found: &mut Findings) {
    if reading.in_flight.tickets > 0 {
        found.add(Rule::I16, reading.at, &[], || {
            format!("{} tickets are still in flight at the end", reading.in_flight.tickets)
        });
    }
}

/// Every ticket that the ledger counts as ordered has an order.
fn ordered_tickets_have_orders(index: &Index<'_>, reading: &Reading, found: &mut Findings) {
    let (counted, orders) = (reading.ordered.tickets, index.history.orders.len() as u64);
    if counted > orders {
        found.add(Rule::Restore, reading.at, &[], || {
            format!("the ledger counts {counted} ordered tickets, and there are {orders} orders")
        });
    }
}

/// A buyer is refused as sold out at rest only if the units are ordered, held or waited for.
fn stock_is_sold(
    index: &Index<'_>,
    last: &[(TicketName, Seen<'_>)],
    reading: Option<&Reading>,
    found: &mut Findings,
) {
    let (Some(rest), Some(stock)) = (index.history.rest_from, index.history.sale.stock) else { return };
    // A release that the queue has heard of is not reported again. If the queue forgets it, its units stay unsold until an
    // operator compares the queue with the orders.
    let mut released = index.history.orders.iter().filter_map(|order| order.released_at);
    if released.any(|at| index.loss_between(at, rest)) {
        return;
    }
    let waiting = |reading: &Reading| reading.waiting.units + reading.dead.units;
    let held = index.live_order_units() + reading.map_or(0, waiting);
    let someone_waits = last.iter().any(|(_, seen)| seen.answer.state == State::Waiting);
    let refused = index.history.calls.iter().find_map(|call| match (&call.outcome, call.request) {
        (Outcome::Refused { reason }, Request::Enqueue { units, .. })
            if reason == "SOLD_OUT" && call.start >= rest && held + units <= stock =>
        {
            Some((call, units))
        }
        _ => None,
    });
    let Some((call, units)) = refused.filter(|_| !someone_waits) else { return };
    found.add(Rule::I16, call.end, &[&call.buyer], || {
        format!(
            "{} was refused {units} units as sold out at {}, and {} of {stock} units have no order",
            call.buyer,
            seconds(call.end),
            stock - index.live_order_units()
        )
    });
}
