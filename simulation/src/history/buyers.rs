//! I4: a buyer has one live ticket, and one live order.

use std::collections::BTreeMap;

use super::{
    findings::Findings,
    index::{Index, Seen, seconds},
    model::{History, Nanos, Order, Outcome, Request, TicketName},
    rule::Rule,
    states::by_buyer,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    let tickets = by_buyer(index);
    for (buyer, tickets) in &tickets {
        one_live_ticket(index, buyer, tickets, found);
    }
    holders_are_not_refused(index, &tickets, found);
    one_live_order(index.history, found);
}

/// A time in which a ticket was live throughout.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Nanos,
    until: Nanos,
}

/// The times in which a ticket was live throughout: between two answers that show it so, if nothing was forgotten in
/// between.
fn live_spans(index: &Index<'_>, seen: &[Seen<'_>]) -> Vec<Span> {
    let has_stock = index.history.sale.stock.is_some();
    let mut spans: Vec<Span> = Vec::new();
    let mut last: Option<Seen<'_>> = None;
    for &next in seen {
        if !next.answer.state.is_live(has_stock) {
            last = None;
            continue;
        }
        if let Some(before) = last.filter(|before| before.call.end <= next.call.start)
            && !index.loss_between(before.call.start, next.call.end)
        {
            match spans.last_mut().filter(|span| span.until == before.call.start) {
                Some(span) => span.until = next.call.start,
                None => spans.push(Span { from: before.call.end, until: next.call.start }),
            }
        }
        last = Some(next);
    }
    spans
}

/// While one ticket is live throughout, no answer shows another as live.
fn one_live_ticket(
    index: &Index<'_>,
    buyer: &str,
    tickets: &[(TicketName, &[Seen<'_>])],
    found: &mut Findings,
) {
    if tickets.len() < 2 {
        return;
    }
    let has_stock = index.history.sale.stock.is_some();
    for &(ticket, seen) in tickets {
        for span in live_spans(index, seen) {
            let others = tickets.iter().filter(|(other, _)| *other != ticket);
            for other in others.flat_map(|(_, seen)| seen.iter()) {
                let within = other.call.start >= span.from && other.call.end <= span.until;
                if within && other.answer.state.is_live(has_stock) {
                    found.add(Rule::I4, other.call.end, &[buyer], || {
                        format!(
                            "{buyer} has live tickets {ticket} (from {} to {}) and {}: {}",
                            seconds(span.from),
                            seconds(span.until),
                            other.answer.ticket,
                            other.text()
                        )
                    });
                }
            }
        }
    }
}

/// A buyer whose ticket is live throughout an Enqueue gets that ticket, and no refusal.
fn holders_are_not_refused(
    index: &Index<'_>,
    tickets: &BTreeMap<&str, Vec<(TicketName, &[Seen<'_>])>>,
    found: &mut Findings,
) {
    for call in &index.history.calls {
        let Outcome::Refused { reason } = &call.outcome else { continue };
        if !matches!(call.request, Request::Enqueue { .. }) {
            continue;
        }
        let mut own = tickets.get(call.buyer.as_str()).into_iter().flatten();
        let held = own.find(|(_, seen)| {
            let mut spans = live_spans(index, seen).into_iter();
            spans.any(|span| call.start >= span.from && call.end <= span.until)
        });
        if let Some((ticket, _)) = held {
            found.add(Rule::I4, call.end, &[&call.buyer], || {
                format!(
                    "{} holds ticket {ticket} and was refused at {}: {reason}",
                    call.buyer,
                    seconds(call.end)
                )
            });
        }
    }
}

/// In a sale with stock a buyer has one live order.
fn one_live_order(history: &History, found: &mut Findings) {
    if history.sale.stock.is_none() {
        return;
    }
    let mut orders: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    for order in &history.orders {
        orders.entry(&order.buyer).or_default().push(order);
    }
    for (buyer, mut orders) in orders {
        orders.sort_by_key(|order| order.created_at);
        for pair in orders.windows(2) {
            if let [one, next] = pair
                && one.released_at.is_none_or(|released| released > next.created_at)
            {
                found.add(Rule::I4, next.created_at, &[buyer], || {
                    format!(
                        "{buyer} has the orders {} and {} at {}",
                        one.id,
                        next.id,
                        seconds(next.created_at)
                    )
                });
            }
        }
    }
}
