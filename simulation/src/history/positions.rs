//! I7: positions.

use super::{
    findings::Findings,
    index::{Index, Seen},
    model::{Outcome, Request, State, TicketName},
    rule::Rule,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    let restores = restores(index);
    for (&ticket, seen) in &index.seen {
        for &next in seen {
            let waits = next.answer.state == State::Waiting;
            // An answer to Enqueue about a ticket that has one already may leave the position out.
            if waits == (next.answer.position == 0) {
                found.add(Rule::I7, next.call.end, &[&next.call.buyer], || {
                    format!("ticket {ticket} has position {}: {}", next.answer.position, next.text())
                });
            }
            if waits && let Some(before) = Index::last_before(seen, next.call.start) {
                falls(index, ticket, before, next, &restores, found);
            }
        }
    }
}

/// A restored ticket, and between which times it may have been restored; the end of time if the result is unknown.
type Restore = (TicketName, u64, u64);

fn restores(index: &Index<'_>) -> Vec<Restore> {
    let calls = index.enqueues.values().flatten();
    let restores = calls.filter_map(|call| {
        let Request::Enqueue { previous_ticket: Some(ticket), .. } = call.request else { return None };
        let until = if matches!(call.outcome, Outcome::Unknown { .. }) { u64::MAX } else { call.end };
        Some((ticket, call.start, until))
    });
    restores.collect()
}

/// A position rises by at most the tickets ahead that were restored in between.
fn falls(
    index: &Index<'_>,
    ticket: TicketName,
    before: Seen<'_>,
    next: Seen<'_>,
    restores: &[Restore],
    found: &mut Findings,
) {
    let (from, until) = (before.call.start, next.call.end);
    let rose = next.answer.position > before.answer.position && before.answer.state == State::Waiting;
    if !rose || index.loss_between(from, until) {
        return;
    }
    let ahead = |restore: &&Restore| restore.0 < ticket && restore.1 <= until && restore.2 >= from;
    let restored = restores.iter().filter(ahead).count() as u64;
    if next.answer.position > before.answer.position + restored {
        found.add(Rule::I7, until, &[&next.call.buyer], || {
            format!(
                "ticket {ticket} rose from position {} to {} while at most {restored} tickets ahead were restored: {}, and \
                 before it {}",
                before.answer.position,
                next.answer.position,
                next.text(),
                before.text()
            )
        });
    }
}
