//! What one ticket may tell its buyer, one answer after the other (I8, I15, durability).

use std::collections::BTreeMap;

use super::{
    findings::Findings,
    index::{Index, Seen, may_become, seconds},
    model::{Call, Level, Outcome, Request, State, TicketName},
    rule::Rule,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    for (&ticket, seen) in &index.seen {
        for &next in seen {
            follows(index, ticket, seen, next, found);
            if next.answer.state == State::Lost {
                may_be_lost(index, ticket, seen, next, found);
            }
        }
        one_order(ticket, seen, found);
    }
    for call in &index.history.calls {
        is_found(index, call, found);
        has_no_script_error(call, found);
    }
}

/// A final state stays, and no state follows that cannot, unless the store forgot something in between.
fn follows(index: &Index<'_>, ticket: TicketName, seen: &[Seen<'_>], next: Seen<'_>, found: &mut Findings) {
    if next.answer.state == State::Lost {
        return;
    }
    let before = Index::last_before(seen, next.call.start);
    let last_final = Index::last_final_before(seen, next.call.start);
    for before in before.into_iter().chain(last_final) {
        if !may_become(before.answer.state, next.answer.state)
            && !index.loss_between(before.call.start, next.call.end)
        {
            found.add(Rule::I8, next.call.end, &[&next.call.buyer], || {
                format!("ticket {ticket}: {}, and before it {}", next.text(), before.text())
            });
            return;
        }
    }
}

/// A ticket that was acknowledged is lost only if the store may have forgotten its level since.
fn may_be_lost(
    index: &Index<'_>,
    ticket: TicketName,
    seen: &[Seen<'_>],
    lost: Seen<'_>,
    found: &mut Findings,
) {
    let ended = seen.partition_point(|seen| seen.call.end <= lost.call.start);
    let before = seen.iter().take(ended);
    let was_lost = before.clone().rfind(|seen| seen.answer.state == State::Lost);
    let since = was_lost.map_or(0, |seen| seen.call.end);
    let known = before.filter(|seen| seen.call.start >= since && seen.answer.state != State::Lost);
    let Some(last_known) = known.clone().next_back() else { return };
    // A repeated Enqueue may reach a higher level than the first; the highest one counts.
    let levels = known.filter(|seen| seen.is_enqueue()).filter_map(|seen| seen.answer.durability);
    let level = levels.max().unwrap_or(Level::Memory);
    if !index.may_forget(level, last_known.call.start, lost.call.end) {
        found.add(Rule::Durability, lost.call.end, &[&lost.call.buyer], || {
            format!(
                "ticket {ticket} was acknowledged at level {level:?}, and no loss of that level explains this: {}, and \
                 before it {}",
                lost.text(),
                last_known.text()
            )
        });
    }
}

/// Every answer about a ticket names the same order.
fn one_order(ticket: TicketName, seen: &[Seen<'_>], found: &mut Findings) {
    let mut named = seen.iter().filter_map(|seen| Some((seen, seen.answer.order.as_ref()?)));
    let Some((first, order)) = named.next() else { return };
    if let Some((other, next)) = named.find(|(_, next)| *next != order) {
        found.add(Rule::I8, other.call.end, &[&first.call.buyer, &other.call.buyer], || {
            format!(
                "ticket {ticket} has order {next} in the {}, and order {order} in the {}",
                other.text(),
                first.text()
            )
        });
    }
}

/// The front knows every ticket and the sale, unless the store may have lost the sale.
fn is_found(index: &Index<'_>, call: &Call, found: &mut Findings) {
    if call.outcome != Outcome::NotFound || index.may_forget_sale(call.end) {
        return;
    }
    found.add(Rule::I2, call.end, &[&call.buyer], || match call.request {
        Request::Enqueue { .. } => {
            format!("Enqueue of {} at {} found no sale", call.buyer, seconds(call.end))
        }
        Request::Poll { ticket } | Request::Cancel { ticket } => {
            format!("ticket {ticket} of {} was not found at {}", call.buyer, seconds(call.end))
        }
    });
}

fn has_no_script_error(call: &Call, found: &mut Findings) {
    let text = match &call.outcome {
        Outcome::Failed { error } | Outcome::Unknown { error } => error,
        Outcome::Refused { reason } => reason,
        Outcome::Answered(_) | Outcome::NotFound => return,
    };
    if text.contains("NOSCRIPT") {
        found.add(Rule::I15, call.end, &[&call.buyer], || format!("{} got the error {text:?}", call.buyer));
    }
}

/// What was last seen of the tickets of each buyer, for the rules about buyers.
pub(super) fn by_buyer<'a, 'b>(index: &'b Index<'a>) -> BTreeMap<&'a str, Vec<(TicketName, &'b [Seen<'a>])>> {
    let mut tickets: BTreeMap<&str, Vec<(TicketName, &[Seen<'_>])>> = BTreeMap::new();
    for (&ticket, seen) in &index.seen {
        if let Some(owner) = index.owner(ticket) {
            tickets.entry(owner).or_default().push((ticket, seen));
        }
    }
    tickets
}
