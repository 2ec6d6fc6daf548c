//! A fair sale passes, and every kind of fault is found.

use std::time::Duration;

use inrush_proto::v1::{Count, Ledger, TicketState};

use super::*;
use crate::{
    buyer::Buyer,
    order_system::{Delivery, OrderRecord, OrderRecords, order_hash, order_id},
    sale::ticket::Ticket,
};

fn ticket(buyer: Buyer, seq: u64, state: TicketState) -> Ticket {
    let asked = Duration::from_millis(seq * 10);
    let answered = asked + Duration::from_millis(5);
    let mut ticket = Ticket::new(buyer, asked, answered, String::new(), &format!("x/1/{seq}")).unwrap();
    ticket.state = state;
    ticket.order = (state == TicketState::Ordered).then(|| order_hash(&order_id(seq)));
    ticket
}

fn delivery(seq: u64, buyer: Buyer) -> Delivery {
    let at = Duration::from_millis(seq * 20);
    Delivery { at, stream: 0, epoch: 1, seq, buyer: Some(buyer), units: 1, attempt: 1 }
}

fn order(number: u64, seq: u64, buyer: Buyer) -> OrderRecord {
    let at = Duration::from_millis(seq * 30);
    OrderRecord {
        at,
        number,
        id_hash: order_hash(&order_id(number)),
        epoch: 1,
        seq,
        buyer: Some(buyer),
        units: 1,
        caller_gone: false,
        released: false,
    }
}

fn tickets(tickets: u64) -> Option<Count> {
    Some(Count { tickets, units: tickets })
}

/// Four buyers, a stock of two and a standby queue: two ordered, one cancelled, one was waiting at the close.
fn fair() -> Evidence {
    Evidence {
        stock: Some(2),
        cap: 3,
        units_per_ticket: 1,
        fresh: true,
        closed: true,
        tickets: vec![
            ticket(1, 1, TicketState::Ordered),
            Ticket { cancel_sent: true, ..ticket(2, 2, TicketState::Cancelled) },
            ticket(3, 3, TicketState::Ordered),
            ticket(4, 4, TicketState::Expired),
        ],
        orders: Some(OrderRecords {
            deliveries: vec![delivery(1, 1), delivery(3, 3)],
            orders: vec![order(1, 1, 1), order(3, 3, 3)],
            ..OrderRecords::default()
        }),
        ledger: Ledger {
            admitted: tickets(4),
            ordered: tickets(2),
            cancelled: tickets(1),
            expired: tickets(1),
            ..Ledger::default()
        },
        ..Evidence::default()
    }
}

/// The checks that fail after a change, with their faults.
#[track_caller]
fn faults(change: impl FnOnce(&mut Evidence)) -> Vec<(&'static str, u64)> {
    let mut evidence = fair();
    change(&mut evidence);
    let checks = check(&evidence);
    let failed = checks.iter().filter(|check| check.faults > 0);
    let failed: Vec<_> = failed.map(|check| (check.name, check.faults)).collect();
    assert!(checks.iter().all(|check| (check.faults > 0) != check.examples.is_empty()), "{checks:#?}");
    failed
}

fn written(evidence: &mut Evidence) -> &mut OrderRecords {
    evidence.orders.as_mut().unwrap()
}

#[test]
fn a_fair_sale_passes_with_every_kind_of_evidence() {
    assert_eq!(faults(|_| ()), []);
    assert_eq!(faults(|evidence| evidence.orders = None), []);
}

#[test]
fn a_third_unit_of_two_is_oversold() {
    let third = |evidence: &mut Evidence| {
        evidence.tickets[3] = ticket(4, 4, TicketState::Ordered);
        evidence.ledger.ordered = tickets(3);
        evidence.ledger.expired = None;
        written(evidence).orders.push(order(4, 4, 4));
    };
    assert_eq!(faults(third), [("oversold", 1)]);
    let unseen = |evidence: &mut Evidence| {
        third(evidence);
        evidence.orders = None;
    };
    assert_eq!(faults(unseen), [("oversold", 1)]);
    let after_release = |evidence: &mut Evidence| {
        third(evidence);
        let released = &mut evidence.tickets[0];
        released.state = TicketState::Released;
        released.release_sent = Some(Duration::from_millis(60));
        evidence.ledger.ordered = tickets(2);
        evidence.ledger.released = tickets(1);
    };
    assert_eq!(faults(after_release), []);
    let before_release = |evidence: &mut Evidence| {
        after_release(evidence);
        evidence.tickets[0].release_sent = Some(Duration::from_millis(500));
    };
    assert_eq!(faults(before_release), [("oversold", 1)]);
}

#[test]
fn a_line_longer_than_its_cap_is_oversold() {
    assert_eq!(faults(|evidence| evidence.cap = 2), [("oversold", 1)]);
}

#[test]
fn a_ticket_without_its_outcome_is_lost() {
    let unfinished = |evidence: &mut Evidence| {
        evidence.tickets[3].state = TicketState::Waiting;
        evidence.ledger.expired = None;
        evidence.ledger.waiting = tickets(1);
    };
    assert_eq!(faults(unfinished), [("lost", 1)]);
    let open = |evidence: &mut Evidence| {
        unfinished(evidence);
        evidence.closed = false;
    };
    assert_eq!(faults(open), []);
    let never_made = |evidence: &mut Evidence| {
        written(evidence).orders.remove(0);
    };
    assert_eq!(faults(never_made), [("lost", 1)]);
    let another = |evidence: &mut Evidence| evidence.tickets[0].order = Some(7);
    assert_eq!(faults(another), [("lost", 1)]);
    let unasked = |evidence: &mut Evidence| evidence.tickets[1].cancel_sent = false;
    assert_eq!(faults(unasked), [("lost", 1)]);
    let passed_over = |evidence: &mut Evidence| {
        written(evidence).deliveries.push(delivery(5, 5));
    };
    assert_eq!(faults(passed_over), [("lost", 1)]);
    let unknown = |evidence: &mut Evidence| {
        evidence.tickets[0].state = TicketState::Rejected;
        evidence.ledger.ordered = tickets(1);
        evidence.ledger.rejected = tickets(1);
    };
    assert_eq!(faults(unknown), [("lost", 1)]);
}

#[test]
fn duplicates_are_found() {
    let shared = |evidence: &mut Evidence| {
        evidence.tickets[3] = ticket(4, 3, TicketState::Expired);
        evidence.tickets[3].order = None;
    };
    assert!(faults(shared).contains(&("duplicated", 1)));
    let second_ticket = |evidence: &mut Evidence| evidence.tickets[3].buyer = 3;
    assert_eq!(faults(second_ticket), [("duplicated", 1)]);
    let for_another_buyer = |evidence: &mut Evidence| written(evidence).orders[1].buyer = Some(9);
    assert_eq!(faults(for_another_buyer), [("duplicated", 1)]);
    let perhaps = |evidence: &mut Evidence| {
        for_another_buyer(evidence);
        evidence.unresolved.insert(9);
    };
    assert_eq!(faults(perhaps), []);
}

#[test]
fn overtaking_is_found_in_numbers_and_in_deliveries() {
    let numbers = |evidence: &mut Evidence| {
        evidence.tickets[3].asked = Duration::ZERO;
        evidence.tickets[3].answered = Duration::from_millis(1);
    };
    assert_eq!(faults(numbers), [("out of order", 3)]);
    let deliveries = |evidence: &mut Evidence| written(evidence).deliveries.swap(0, 1);
    assert_eq!(faults(deliveries), [("out of order", 1)]);
    let redelivered = |evidence: &mut Evidence| {
        deliveries(evidence);
        written(evidence).deliveries[1].attempt = 2;
    };
    assert_eq!(faults(redelivered), []);
    let elsewhere = |evidence: &mut Evidence| {
        deliveries(evidence);
        written(evidence).deliveries[1].stream = 1;
    };
    assert_eq!(faults(elsewhere), []);
}

#[test]
fn a_ledger_that_does_not_balance_or_agree_is_found() {
    assert_eq!(faults(|evidence| evidence.ledger.admitted = tickets(5)), [("ledger", 1)]);
    let disagrees = |evidence: &mut Evidence| {
        evidence.ledger.ordered = tickets(1);
        evidence.ledger.rejected = tickets(1);
    };
    assert_eq!(faults(disagrees), [("ledger", 2)]);
    let perhaps = |evidence: &mut Evidence| {
        disagrees(evidence);
        evidence.unresolved.insert(9);
    };
    assert_eq!(faults(perhaps), []);
}

#[test]
fn contradictions_and_missing_answers_are_faults() {
    let seen = |evidence: &mut Evidence| {
        evidence.contradictions.note(Kind::Rose, || "rose".to_owned());
        evidence.contradictions.note(Kind::Stale, || "stale".to_owned());
        evidence.unanswered = 4;
    };
    let wanted = [("positions that rose", 1), ("stale answers", 1), ("without an answer", 4)];
    assert_eq!(faults(seen), wanted);
}

/// The fair sale at an order system that releases unpaid orders itself: the first buyer never paid.
fn released_by_the_order_system(evidence: &mut Evidence) {
    let orders = written(evidence);
    orders.may_reject = true;
    orders.orders[0].released = true;
    evidence.tickets[0].state = TicketState::Released;
    evidence.ledger.ordered = tickets(1);
    evidence.ledger.released = tickets(1);
}

#[test]
fn an_order_system_with_a_stock_of_its_own_may_release_and_reject() {
    assert_eq!(faults(released_by_the_order_system), []);
    let unknown = |evidence: &mut Evidence| {
        released_by_the_order_system(evidence);
        evidence.tickets[0].state = TicketState::Ordered;
        evidence.ledger.ordered = tickets(2);
        evidence.ledger.released = None;
    };
    assert_eq!(faults(unknown), [("lost", 1)]);
    let rejected = |evidence: &mut Evidence| {
        written(evidence).may_reject = true;
        evidence.tickets[3].state = TicketState::Rejected;
        evidence.ledger.expired = None;
        evidence.ledger.rejected = tickets(1);
    };
    assert_eq!(faults(rejected), []);
}

#[test]
fn second_orders_of_a_ticket_and_of_a_buyer_are_duplicates() {
    let of_ticket = |evidence: &mut Evidence| {
        released_by_the_order_system(evidence);
        written(evidence).orders.push(order(5, 1, 1));
    };
    assert!(faults(of_ticket).contains(&("duplicated", 1)));
    let of_buyer = |evidence: &mut Evidence| {
        evidence.tickets[2].buyer = 1;
        written(evidence).orders[1].buyer = Some(1);
    };
    // Two tickets at the same time, and two orders.
    assert!(faults(of_buyer).contains(&("duplicated", 2)));
}
