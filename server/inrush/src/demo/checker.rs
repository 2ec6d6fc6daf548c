//! Judges a run: were units oversold, tickets lost, orders duplicated, buyers served out of order?

use std::collections::{HashMap, HashSet};

use inrush_client::TicketState;

use super::evidence::{Acknowledgement, Buyer, Evidence, OrderRecord};

/// The faults of a run. All zeros: the promise was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Units ordered beyond the stock, plus units held in line beyond the cap.
    pub(crate) oversold: u64,
    /// Acknowledged tickets that came to nothing: without a final state, ordered without an order, or passed over.
    pub(crate) lost: u64,
    /// Orders or tickets that exist twice, or that nobody asked for.
    pub(crate) duplicated: u64,
    /// Tickets numbered against the order of their calls, orders created against the order of their tickets, and
    /// positions that rose.
    pub(crate) out_of_order: u64,
}

impl Verdict {
    /// Whether no fault was found.
    pub(crate) fn passed(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// When a fault was found.
    pub(crate) fn into_result(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.passed(),
            "the promise was broken: {} oversold, {} lost, {} duplicated, {} out of order",
            self.oversold,
            self.lost,
            self.duplicated,
            self.out_of_order
        );
        Ok(())
    }
}

/// Judges the evidence of a run that has come to rest.
pub(crate) fn check(evidence: &Evidence) -> Verdict {
    Verdict {
        oversold: units_beyond_stock(evidence) + units_beyond_cap(evidence),
        lost: lost_tickets(evidence),
        duplicated: duplicate_tickets(evidence) + duplicate_orders(evidence),
        out_of_order: numbered_out_of_order(&evidence.acknowledgements)
            + created_out_of_order(&evidence.orders)
            + evidence.positions_rose,
    }
}

fn units_beyond_stock(evidence: &Evidence) -> u64 {
    let ordered: u64 = standing(&evidence.orders).map(|order| order.units).sum();
    ordered.saturating_sub(evidence.stock)
}

/// When the sale was closed nothing was in motion, so every ticket that had not been given back was held then.
fn units_beyond_cap(evidence: &Evidence) -> u64 {
    let given_back = |state: Option<&TicketState>| {
        matches!(state, Some(TicketState::Cancelled | TicketState::Rejected | TicketState::Released))
    };
    let tickets = tickets(&evidence.acknowledgements);
    let held = tickets.keys().filter(|seq| !given_back(evidence.endings.get(seq))).count();
    (held as u64 * evidence.units_per_ticket).saturating_sub(evidence.cap)
}

/// A ticket that expired must have been behind everyone who was served: otherwise it was passed over.
fn lost_tickets(evidence: &Evidence) -> u64 {
    let ordered: HashMap<u64, &OrderRecord> =
        evidence.orders.iter().map(|order| (order.seq, order)).collect();
    let last_served = evidence.orders.iter().map(|order| order.seq).max().unwrap_or_default();
    let kept = |seq: u64| match evidence.endings.get(&seq) {
        Some(TicketState::Ordered) => ordered.get(&seq).is_some_and(|order| !order.released),
        Some(TicketState::Released) => ordered.get(&seq).is_some_and(|order| order.released),
        Some(TicketState::Expired) => seq > last_served,
        Some(TicketState::Cancelled | TicketState::Rejected) => !ordered.contains_key(&seq),
        Some(_) | None => false,
    };
    tickets(&evidence.acknowledgements).keys().filter(|&&seq| !kept(seq)).count() as u64
}

/// One number given to two buyers, or a second ticket for a buyer whose first was not over.
fn duplicate_tickets(evidence: &Evidence) -> u64 {
    let owners = tickets(&evidence.acknowledgements);
    let shared = owners.values().filter(|buyers| buyers.len() > 1).count();
    let mut live: HashMap<Buyer, HashSet<u64>> = HashMap::new();
    for (&seq, buyers) in &owners {
        let over = evidence.endings.get(&seq).is_some_and(|state| {
            matches!(state, TicketState::Cancelled | TicketState::Rejected | TicketState::Released)
        });
        if !over {
            buyers.iter().for_each(|&buyer| {
                live.entry(buyer).or_default().insert(seq);
            });
        }
    }
    let doubled: usize = live.values().map(|tickets| tickets.len() - 1).sum();
    (shared + doubled) as u64
}

/// A second order for one ticket, a second standing order for one buyer, or an order for a ticket nobody was given.
fn duplicate_orders(evidence: &Evidence) -> u64 {
    let owners = tickets(&evidence.acknowledgements);
    let mut tickets_seen = HashSet::new();
    let mut buyers_seen = HashSet::new();
    let faults = evidence.orders.iter().filter(|order| {
        let repeated_ticket = !tickets_seen.insert(order.seq);
        let repeated_buyer = !order.released && !buyers_seen.insert(order.buyer);
        let unasked = !owners.get(&order.seq).is_some_and(|buyers| buyers.contains(&order.buyer));
        repeated_ticket || repeated_buyer || unasked
    });
    faults.count() as u64
}

/// A call that was answered before another was sent must have the lower number. Repeats are told an old number and prove nothing.
fn numbered_out_of_order(acknowledgements: &[Acknowledgement]) -> u64 {
    let mut firsts: HashMap<u64, Acknowledgement> = HashMap::new();
    for &ack in acknowledgements {
        firsts.entry(ack.seq).and_modify(|first| *first = earlier(*first, ack)).or_insert(ack);
    }
    let mut by_answer: Vec<Acknowledgement> = firsts.into_values().collect();
    let mut by_call = by_answer.clone();
    by_answer.sort_unstable_by_key(|ack| ack.acked);
    by_call.sort_unstable_by_key(|ack| ack.sent);
    let mut answered = by_answer.into_iter().peekable();
    let mut highest = 0;
    let mut faults = 0;
    for call in by_call {
        while let Some(ack) = answered.next_if(|ack| ack.acked < call.sent) {
            highest = highest.max(ack.seq);
        }
        faults += u64::from(call.seq < highest);
    }
    faults
}

fn earlier(one: Acknowledgement, other: Acknowledgement) -> Acknowledgement {
    if other.sent < one.sent { other } else { one }
}

/// First deliveries follow the line; a redelivered entry keeps its number and comes later.
fn created_out_of_order(orders: &[OrderRecord]) -> u64 {
    let mut highest = 0;
    let mut faults = 0;
    for order in orders.iter().filter(|order| order.attempt <= 1) {
        faults += u64::from(order.seq < highest);
        highest = highest.max(order.seq);
    }
    faults
}

fn standing(orders: &[OrderRecord]) -> impl Iterator<Item = &OrderRecord> {
    orders.iter().filter(|order| !order.released)
}

/// Every acknowledged number with the buyers who were told it.
fn tickets(acknowledgements: &[Acknowledgement]) -> HashMap<u64, HashSet<Buyer>> {
    let mut owners: HashMap<u64, HashSet<Buyer>> = HashMap::new();
    for ack in acknowledgements {
        owners.entry(ack.seq).or_default().insert(ack.buyer);
    }
    owners
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ack(buyer: Buyer, seq: u64, sent: u64) -> Acknowledgement {
        let sent = Duration::from_millis(sent);
        Acknowledgement { buyer, seq, sent, acked: sent + Duration::from_millis(5) }
    }

    fn order(sequence: u64, seq: u64, buyer: Buyer) -> OrderRecord {
        OrderRecord { sequence, seq, buyer, units: 1, attempt: 1, released: false }
    }

    /// Three buyers, a stock of two: the first two order, the third was in the standby line when the sale closed.
    fn fair_run() -> Evidence {
        Evidence {
            stock: 2,
            cap: 3,
            units_per_ticket: 1,
            acknowledgements: vec![ack(1, 1, 0), ack(2, 2, 10), ack(3, 3, 20), ack(1, 1, 30)],
            endings: [(1, TicketState::Ordered), (2, TicketState::Ordered), (3, TicketState::Expired)].into(),
            orders: vec![order(1, 1, 1), order(2, 2, 2)],
            positions_rose: 0,
        }
    }

    #[test]
    fn a_fair_run_passes() {
        assert_eq!(check(&fair_run()), Verdict::default());
    }

    #[test]
    fn a_third_order_for_two_units_is_oversold() {
        let mut run = fair_run();
        run.orders.push(order(3, 3, 3));
        run.endings.insert(3, TicketState::Ordered);
        assert_eq!(check(&run), Verdict { oversold: 1, ..Verdict::default() });
    }

    #[test]
    fn a_line_longer_than_the_cap_is_oversold() {
        let run = Evidence { cap: 2, ..fair_run() };
        assert_eq!(check(&run), Verdict { oversold: 1, ..Verdict::default() });
    }

    #[test]
    fn what_was_promised_and_never_came_is_lost() {
        let mut unfinished = fair_run();
        unfinished.endings.insert(3, TicketState::Waiting);
        assert_eq!(check(&unfinished).lost, 1);
        let mut without_order = fair_run();
        without_order.orders.pop();
        assert_eq!(check(&without_order).lost, 1);
        let mut passed_over = fair_run();
        passed_over.endings.insert(1, TicketState::Expired);
        passed_over.orders.remove(0);
        assert_eq!(check(&passed_over).lost, 1);
    }

    #[test]
    fn second_orders_and_second_tickets_are_duplicates() {
        let mut twice = fair_run();
        twice.orders[1].buyer = 1;
        assert_eq!(check(&twice).duplicated, 1);
        let mut second_ticket = fair_run();
        second_ticket.acknowledgements[2].buyer = 2;
        assert_eq!(check(&second_ticket).duplicated, 1);
        let mut shared = fair_run();
        shared.acknowledgements.push(ack(9, 3, 40));
        assert_eq!(check(&shared).duplicated, 1);
    }

    #[test]
    fn overtaking_is_seen_in_the_numbers_in_the_orders_and_in_the_positions() {
        let mut numbers = fair_run();
        numbers.acknowledgements[1].seq = 3;
        numbers.acknowledgements[2].seq = 2;
        numbers.orders[1].buyer = 3;
        assert_eq!(check(&numbers), Verdict { out_of_order: 1, ..Verdict::default() });
        let mut orders = fair_run();
        orders.orders.swap(0, 1);
        assert_eq!(check(&orders), Verdict { out_of_order: 1, ..Verdict::default() });
        let mut redelivered = orders.clone();
        redelivered.orders[1].attempt = 2;
        assert_eq!(check(&redelivered), Verdict::default());
        let rose = Evidence { positions_rose: 2, ..fair_run() };
        assert_eq!(check(&rose).out_of_order, 2);
    }
}
