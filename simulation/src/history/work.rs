//! I9, I11 and I12: leases, as far as workers recorded them.

use super::{
    findings::Findings,
    index::{Index, Seen, seconds},
    model::{State, Step, TicketName, Work},
    rule::Rule,
};

pub(super) fn check(index: &Index<'_>, found: &mut Findings) {
    if index.history.work.is_empty() {
        return;
    }
    for (&ticket, work) in &index.work {
        fences(index, ticket, work, found);
    }
    for (&ticket, seen) in &index.seen {
        let work = index.work.get(&ticket).map_or(&[][..], Vec::as_slice);
        for &seen in seen {
            leases(index, ticket, work, seen, found);
        }
    }
}

/// An attempt is settled by the fence of the last claim, and once.
fn fences(index: &Index<'_>, ticket: TicketName, work: &[&Work], found: &mut Findings) {
    let mut last: Option<&Work> = None;
    for &step in work {
        if let Step::Settled { state: Some(_) } = step.step
            && let Some(before) = last
        {
            let settled_before = matches!(before.step, Step::Settled { .. });
            if (before.fence != step.fence || settled_before) && !index.loss_between(before.at, step.at) {
                found.add(Rule::I9, step.at, &owner(index, ticket), || {
                    format!(
                        "ticket {ticket}: fence {} took effect at {}, after {:?} with fence {} at {}",
                        step.fence,
                        seconds(step.at),
                        before.step,
                        before.fence,
                        seconds(before.at)
                    )
                });
            }
        }
        if step.step != (Step::Settled { state: None }) {
            last = Some(step);
        }
    }
}

/// PROCESSING means that there is a lease, and a lease means PROCESSING.
fn leases(index: &Index<'_>, ticket: TicketName, work: &[&Work], seen: Seen<'_>, found: &mut Findings) {
    let (start, end) = (seen.call.start, seen.call.end);
    let steps = work.iter().filter(|step| step.step != (Step::Settled { state: None }));
    let before = steps.clone().rfind(|step| step.at < start);
    let during = steps.clone().any(|step| (start..=end).contains(&step.at));
    // What a loss makes of an earlier claim is unknown; a ticket that was never claimed has no lease in any case.
    if during || before.is_some_and(|step| index.loss_between(step.at, end)) {
        return;
    }
    let lease = before.and_then(|step| match step.step {
        Step::Claimed { until, .. } | Step::Extended { until } => Some(until),
        Step::Settled { .. } => None,
    });
    let is_processing = seen.answer.state == State::Processing;
    match lease {
        None if is_processing => found.add(Rule::I11, end, &[&seen.call.buyer], || {
            format!("ticket {ticket} has no lease: {}", seen.text())
        }),
        Some(until) if !is_processing && until > end => {
            found.add(Rule::I11, end, &[&seen.call.buyer], || {
                format!("ticket {ticket} has a lease until {}: {}", seconds(until), seen.text())
            });
        }
        Some(until) if is_processing => is_reclaimed(index, ticket, until, seen, found),
        Some(_) | None => {}
    }
}

fn is_reclaimed(index: &Index<'_>, ticket: TicketName, until: u64, seen: Seen<'_>, found: &mut Findings) {
    let Some(bound) = index.history.sale.reclaim_bound else { return };
    let mut faults = index.history.faults.iter();
    let disturbed = faults.any(|fault| fault.until >= until && fault.from <= seen.call.end);
    if seen.call.start > until + bound && !disturbed {
        found.add(Rule::I12, seen.call.end, &[&seen.call.buyer], || {
            format!("the lease of ticket {ticket} expired at {}: {}", seconds(until), seen.text())
        });
    }
}

fn owner<'a>(index: &Index<'a>, ticket: TicketName) -> Vec<&'a str> {
    index.owner(ticket).into_iter().collect()
}
