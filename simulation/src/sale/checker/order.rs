//! Checks that no buyer was overtaken.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::findings::Findings;
use crate::{order_system::Delivery, sale::evidence::Evidence};

pub(super) fn out_of_order(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    numbered(evidence, &mut found);
    if let Some(orders) = &evidence.orders {
        delivered(&orders.deliveries, &mut found);
    }
    found
}

/// A buyer who had its answer before another asked has the lower number.
fn numbered(evidence: &Evidence, found: &mut Findings) {
    let tickets = || evidence.tickets.iter().filter(|ticket| !ticket.inherited);
    let mut by_call: Vec<(Duration, (u64, u64))> =
        tickets().map(|ticket| (ticket.asked, (ticket.epoch, ticket.seq))).collect();
    let mut by_answer: Vec<(Duration, (u64, u64))> =
        tickets().map(|ticket| (ticket.answered, (ticket.epoch, ticket.seq))).collect();
    by_call.sort_unstable();
    by_answer.sort_unstable();
    let mut answered = by_answer.into_iter().peekable();
    let mut highest = (0, 0);
    for (asked, number) in by_call {
        while let Some((_, earlier)) = answered.next_if(|(at, _)| *at < asked) {
            highest = highest.max(earlier);
        }
        if number < highest {
            found.add(|| format!("ticket {} was asked for after {} was given out", number.1, highest.1));
        }
    }
}

/// First deliveries on a stream follow the line. A redelivered entry keeps its number and comes later.
fn delivered(deliveries: &[Delivery], found: &mut Findings) {
    let mut seen = HashSet::new();
    let mut highest: HashMap<u64, (u64, u64)> = HashMap::new();
    for delivery in deliveries {
        let number = (delivery.epoch, delivery.seq);
        let is_first = seen.insert(number) && delivery.attempt <= 1;
        if !is_first {
            continue;
        }
        let highest = highest.entry(delivery.stream).or_default();
        if number < *highest {
            found.add(|| format!("ticket {} was delivered after {}", number.1, highest.1));
        }
        *highest = number.max(*highest);
    }
}
