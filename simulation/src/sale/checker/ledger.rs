//! Checks that the sale's ledger balances and agrees with the answers that buyers got.

use inrush_proto::v1::{Count, Ledger, TicketState};

use super::findings::Findings;
use crate::sale::{evidence::Evidence, ticket};

pub(super) fn wrong(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    balance(&evidence.ledger, &mut found);
    if evidence.fresh {
        agree(evidence, &mut found);
    }
    found
}

/// Every admitted ticket is counted in one state.
fn balance(ledger: &Ledger, found: &mut Findings) {
    let Ledger { waiting, in_flight, ordered, rejected, cancelled, expired, released, dead, .. } = ledger;
    let parts = [waiting, in_flight, ordered, rejected, cancelled, expired, released, dead];
    let parts = parts.map(|count| count.unwrap_or_default());
    let admitted = ledger.admitted.unwrap_or_default();
    let sum = Count {
        tickets: parts.iter().map(|count| count.tickets).sum(),
        units: parts.iter().map(|count| count.units).sum(),
    };
    if sum != admitted {
        found.add(|| format!("admitted {} tickets, and {} are accounted for", admitted.tickets, sum.tickets));
    }
}

/// Every state has as many tickets as buyers have. Tickets that their buyers may not know of can be in any state.
fn agree(evidence: &Evidence, found: &mut Findings) {
    let unknown = evidence.unresolved.len() as u64;
    let ledger = &evidence.ledger;
    for (state, count) in [
        (TicketState::Waiting, ledger.waiting),
        (TicketState::Ordered, ledger.ordered),
        (TicketState::Rejected, ledger.rejected),
        (TicketState::Cancelled, ledger.cancelled),
        (TicketState::Expired, ledger.expired),
        (TicketState::Released, ledger.released),
        (TicketState::Dead, ledger.dead),
    ] {
        let known = evidence.tickets.iter().filter(|ticket| ticket.state == state).count() as u64;
        let booked = count.unwrap_or_default().tickets;
        if booked.abs_diff(known) > unknown {
            let name = ticket::name(state);
            found.add_some(booked.abs_diff(known), || {
                format!("{booked} tickets are {name}, buyers know of {known}")
            });
        }
    }
}
