//! A good history passes, and one change of it for each thing that the checker checks is found.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails should fail its test")]

use std::collections::BTreeSet;

use inrush_simulation::history::{
    Answer, Call, Count, Delivery, History, Level, Loss, Nanos, Order, Outcome, Reading, Request, Rule,
    SaleFacts, State, Step, TicketName, Work, check,
};

const MS: Nanos = 1_000_000;

fn name(epoch: u64, seq: u64) -> TicketName {
    TicketName { epoch, seq }
}

fn call(buyer: &str, start: Nanos, end: Nanos, request: Request, outcome: Outcome) -> Call {
    Call { buyer: buyer.to_owned(), start: start * MS, end: end * MS, request, outcome }
}

fn status(ticket: TicketName, state: State, position: u64) -> Answer {
    Answer { ticket, state, position, ..Answer::default() }
}

fn enqueue(buyer: &str, start: Nanos, end: Nanos, previous: Option<TicketName>, answer: Answer) -> Call {
    let signed = format!("signed {}", answer.ticket);
    let answer = Answer { signed, durability: Some(Level::Memory), ..answer };
    let request = Request::Enqueue { units: 1, previous_ticket: previous };
    call(buyer, start, end, request, Outcome::Answered(answer))
}

fn poll(buyer: &str, start: Nanos, answer: Answer) -> Call {
    let request = Request::Poll { ticket: answer.ticket };
    call(buyer, start, start + 1, request, Outcome::Answered(answer))
}

fn cancel(buyer: &str, start: Nanos, answer: Answer) -> Call {
    let request = Request::Cancel { ticket: answer.ticket };
    call(buyer, start, start + 1, request, Outcome::Answered(answer))
}

fn ordered(ticket: TicketName, order: &str) -> Answer {
    Answer { order: Some(order.to_owned()), ..status(ticket, State::Ordered, 0) }
}

fn refused(buyer: &str, start: Nanos) -> Call {
    let request = Request::Enqueue { units: 1, previous_ticket: None };
    call(buyer, start, start + 1, request, Outcome::Refused { reason: "SOLD_OUT".to_owned() })
}

fn unknown(buyer: &str, start: Nanos) -> Call {
    let request = Request::Enqueue { units: 1, previous_ticket: None };
    call(buyer, start, start + 1, request, Outcome::Unknown { error: "timed out".to_owned() })
}

/// A ticket is claimed, delivered, ordered and settled.
fn serve(history: &mut History, buyer: &str, ticket: TicketName, at: Nanos, fence: u64) {
    let at = at * MS;
    let mut work = |at, step| history.work.push(Work { at, ticket, fence, step });
    work(at, Step::Claimed { attempt: 1, until: at + 1_000 * MS });
    work(at + 3 * MS, Step::Settled { state: Some(State::Ordered) });
    let buyer = buyer.to_owned();
    history.deliveries.push(Delivery { at: at + MS, ticket, buyer: buyer.clone(), units: 1, attempt: 1 });
    let id = format!("order of {buyer}");
    history.orders.push(Order { id, ticket, buyer, units: 1, created_at: at + 2 * MS, released_at: None });
}

/// Three units for the buyers a, b and c, of whom c loses its ticket and restores it; d waits, e cancels, f is refused,
/// and g does not know whether it was admitted, as it was before the loss.
fn good() -> History {
    let mut history = History {
        sale: SaleFacts {
            id: "x".to_owned(),
            stock: Some(3),
            cap: 10,
            unit_limit: 1,
            all_polled_at_rest: true,
            reclaim_bound: Some(100 * MS),
            ..SaleFacts::default()
        },
        losses: vec![Loss {
            from: 100 * MS,
            until: 100 * MS,
            forgets: vec![Level::Memory],
            forgets_sale: false,
        }],
        rest_from: Some(300 * MS),
        ..History::default()
    };
    let count = |count| Count { tickets: count, units: count };
    history.readings.push(Reading {
        at: 330 * MS,
        cap: 10,
        stock: Some(3),
        admitted: count(5),
        waiting: count(1),
        ordered: count(3),
        cancelled: count(1),
        ..Reading::default()
    });
    let waiting = |ticket, position| status(ticket, State::Waiting, position);
    history.calls = vec![
        enqueue("a", 0, 10, None, waiting(name(1, 1), 1)),
        enqueue("b", 20, 30, None, waiting(name(1, 2), 2)),
        enqueue("c", 40, 50, None, waiting(name(1, 3), 3)),
        unknown("g", 51),
        poll("a", 70, ordered(name(1, 1), "order of a")),
        poll("c", 72, waiting(name(1, 3), 2)),
        poll("c", 110, status(name(1, 3), State::Lost, 0)),
        enqueue("c", 112, 120, Some(name(1, 3)), waiting(name(1, 3), 2)),
        enqueue("d", 130, 140, None, waiting(name(2, 100), 3)),
        enqueue("e", 141, 150, None, waiting(name(2, 101), 4)),
        cancel("e", 151, status(name(2, 101), State::Cancelled, 0)),
        poll("d", 155, waiting(name(2, 100), 3)),
        poll("a", 310, ordered(name(1, 1), "order of a")),
        poll("b", 310, ordered(name(1, 2), "order of b")),
        poll("c", 310, ordered(name(1, 3), "order of c")),
        poll("d", 310, waiting(name(2, 100), 1)),
        poll("e", 310, status(name(2, 101), State::Cancelled, 0)),
        refused("f", 320),
    ];
    serve(&mut history, "a", name(1, 1), 60, 1);
    serve(&mut history, "b", name(1, 2), 160, 2);
    serve(&mut history, "c", name(1, 3), 170, 3);
    history
}

fn rules(history: &History) -> BTreeSet<Rule> {
    check(history).into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn orders_that_the_store_had_forgotten_may_exceed_the_stock() {
    let mut history = good();
    let reading = history.readings.last_mut().unwrap();
    reading.dead = Count { tickets: 1, units: 8 };
    reading.admitted = Count { tickets: 6, units: 13 };
    assert!(rules(&history).contains(&Rule::I1));
    history.readings.last_mut().unwrap().reconciled = Count { tickets: 1, units: 8 };
    assert_eq!(check(&history), []);
}

#[test]
fn a_good_history_breaks_no_rule() {
    assert_eq!(check(&good()), []);
    let without_work = History { work: Vec::new(), ..good() };
    assert_eq!(check(&without_work), []);
    assert_eq!(check(&History::default()), []);
}

#[test]
fn a_history_is_read_as_it_was_saved() {
    let saved = serde_json::to_string(&good()).unwrap();
    assert_eq!(serde_json::from_str::<History>(&saved).unwrap(), good());
    assert_eq!(TicketName::parse("phone-x/17/42"), Some(name(17, 42)));
    assert_eq!(TicketName::parse("17"), None);
}

/// A change of the good history, and the rule that it breaks.
type Planted = (Rule, &'static str, fn(&mut History));

/// The answer of the first call of `buyer` at `start`.
fn answer<'a>(history: &'a mut History, buyer: &str, start: Nanos) -> &'a mut Answer {
    let call = history.calls.iter_mut().find(|it| it.buyer == buyer && it.start == start * MS).unwrap();
    match &mut call.outcome {
        Outcome::Answered(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn set_outcome(history: &mut History, buyer: &str, start: Nanos, outcome: Outcome) {
    history.calls.iter_mut().find(|it| it.buyer == buyer && it.start == start * MS).unwrap().outcome =
        outcome;
}

/// The second Enqueue of c is a repeat: a restored ticket may be claimed before others.
fn never_lost(history: &mut History) {
    for call in history.calls.iter_mut().filter(|call| call.buyer == "c") {
        if let Request::Enqueue { previous_ticket, .. } = &mut call.request {
            *previous_ticket = None;
        }
    }
}

const PLANTED: &[Planted] = &[
    (Rule::I1, "four orders of three units", |it| {
        serve(it, "d", name(2, 100), 200, 4);
        *answer(it, "d", 310) = ordered(name(2, 100), "order of d");
    }),
    (Rule::I1, "the ledger holds more than the cap", |it| it.readings[0].cap = 3),
    (Rule::I1, "the ledger has more ordered than the stock", |it| it.readings[0].stock = Some(2)),
    (Rule::I2, "a ticket is in process for ever", |it| {
        *answer(it, "d", 310) = status(name(2, 100), State::Processing, 0);
    }),
    (Rule::I2, "a ticket is not found", |it| set_outcome(it, "d", 155, Outcome::NotFound)),
    (Rule::I2, "the sale is not found", |it| set_outcome(it, "f", 320, Outcome::NotFound)),
    (Rule::I2, "a ticket is not polled at the end", |it| {
        it.calls.retain(|call| !(call.buyer == "d" && call.start == 310 * MS));
    }),
    (Rule::I3, "an entry without a request is delivered", |it| {
        let buyer = "h".to_owned();
        it.deliveries.push(Delivery { at: 200 * MS, ticket: name(2, 103), buyer, units: 1, attempt: 1 });
    }),
    (Rule::I3, "an entry is delivered with other units", |it| it.deliveries[1].units = 2),
    (Rule::I3, "an entry is delivered before it was asked for", |it| it.deliveries[1].at = 15 * MS),
    (Rule::I3, "an order without a delivery", |it| drop(it.deliveries.remove(0))),
    (Rule::I3, "a buyer who was refused has an order", |it| {
        it.sale.stock = Some(4);
        serve(it, "f", name(2, 102), 325, 4);
    }),
    (Rule::I3, "the ledger counts a ticket more than was asked for", |it| {
        it.readings[0].admitted.tickets = 7;
        it.readings[0].rejected.tickets = 2;
    }),
    (Rule::I4, "a repeated request gets another ticket", |it| {
        it.calls.push(enqueue("d", 151, 153, None, status(name(2, 102), State::Waiting, 5)));
    }),
    (Rule::I4, "the holder of an order gets another ticket", |it| {
        it.calls.push(enqueue("b", 151, 153, None, status(name(2, 102), State::Waiting, 5)));
        it.calls.push(poll("b", 131, status(name(1, 2), State::Waiting, 1)));
    }),
    (Rule::I4, "a holder is refused", |it| it.calls.push(refused("d", 150))),
    (Rule::I4, "a buyer has two live orders", |it| {
        it.sale.stock = Some(4);
        it.calls.push(unknown("b", 151));
        serve(it, "b", name(2, 102), 200, 4);
    }),
    (Rule::I5, "a later buyer gets a lower number", |it| {
        for start in [130, 155, 310] {
            answer(it, "d", start).ticket = name(0, 9);
        }
    }),
    (Rule::I5, "two tickets change places", |it| {
        for (buyer, start, seq) in [("d", 130, 101), ("d", 155, 101), ("d", 310, 101)] {
            answer(it, buyer, start).ticket = name(2, seq);
        }
        for start in [141, 151, 310] {
            answer(it, "e", start).ticket = name(2, 100);
        }
    }),
    (Rule::I6, "a later ticket is claimed first", |it| {
        it.losses.clear();
        never_lost(it);
        *answer(it, "c", 110) = status(name(1, 3), State::Waiting, 2);
        it.work.retain(|work| work.ticket != name(1, 2));
        it.work.push(Work {
            at: 190 * MS,
            ticket: name(1, 2),
            fence: 4,
            step: Step::Claimed { attempt: 1, until: 1_000 * MS },
        });
    }),
    (Rule::I6, "a later ticket is delivered first", |it| {
        it.losses.clear();
        never_lost(it);
        *answer(it, "c", 110) = status(name(1, 3), State::Waiting, 2);
        it.work.clear();
        it.deliveries[1].at = 190 * MS;
    }),
    (Rule::I7, "a position rises", |it| answer(it, "d", 155).position = 4),
    (Rule::I7, "a position rises by more than was restored", |it| {
        it.calls.push(poll("b", 105, status(name(1, 2), State::Waiting, 1)));
        it.calls.push(poll("b", 125, status(name(1, 2), State::Waiting, 2)));
    }),
    (Rule::I7, "a ticket waits without a position", |it| answer(it, "d", 155).position = 0),
    (Rule::I7, "an ordered ticket has a position", |it| answer(it, "a", 70).position = 1),
    (Rule::I8, "a cancelled ticket waits again", |it| {
        *answer(it, "e", 310) = status(name(2, 101), State::Waiting, 2);
    }),
    (Rule::I8, "a ticket in process is cancelled", |it| {
        it.calls.push(poll("e", 150, status(name(2, 101), State::Processing, 0)));
    }),
    (Rule::I8, "two orders of one ticket", |it| {
        it.sale.stock = Some(4);
        let copy = Order { id: "another".to_owned(), ..it.orders[0].clone() };
        it.orders.push(copy);
    }),
    (Rule::I8, "a buyer gets two order ids", |it| {
        answer(it, "a", 70).order = Some("order of g".to_owned());
    }),
    (Rule::I8, "a buyer gets an order that does not exist", |it| drop(it.orders.remove(0))),
    (Rule::I8, "a buyer gets the order of another ticket", |it| it.orders[0].ticket = name(1, 9)),
    (Rule::I8, "a ticket with an order is rejected", |it| {
        *answer(it, "b", 310) = status(name(1, 2), State::Rejected, 0);
    }),
    (Rule::I8, "a ticket is released and its order is not", |it| {
        *answer(it, "b", 310) = status(name(1, 2), State::Released, 0);
    }),
    (Rule::I8, "an order is released and its ticket is not", |it| {
        it.losses.clear();
        it.orders[1].released_at = Some(200 * MS);
    }),
    (Rule::I8, "a cancelled ticket has an order", |it| {
        it.losses.clear();
        it.sale.stock = Some(4);
        serve(it, "e", name(2, 101), 200, 4);
    }),
    (Rule::I9, "a stale fence takes effect", |it| {
        let work = it.work[3].clone();
        it.work.insert(3, Work { fence: 9, step: Step::Claimed { attempt: 2, until: 1_000 * MS }, ..work });
    }),
    (Rule::I9, "an attempt is settled twice", |it| it.work.push(it.work[5].clone())),
    (Rule::I10, "a cancelled ticket is delivered", |it| {
        it.losses.clear();
        let buyer = "e".to_owned();
        it.deliveries.push(Delivery { at: 200 * MS, ticket: name(2, 101), buyer, units: 1, attempt: 1 });
    }),
    (Rule::I11, "a ticket is in process without a lease", |it| {
        *answer(it, "d", 155) = status(name(2, 100), State::Processing, 0);
    }),
    (Rule::I11, "a ticket with a lease waits", |it| {
        it.calls.push(poll("c", 171, status(name(1, 3), State::Waiting, 1)));
    }),
    (Rule::I12, "an expired lease stays", |it| {
        it.work.retain(|work| work.at < 170 * MS);
        let step = Step::Claimed { attempt: 1, until: 180 * MS };
        it.work.push(Work { at: 170 * MS, ticket: name(1, 3), fence: 3, step });
        it.calls.push(poll("c", 290, status(name(1, 3), State::Processing, 0)));
    }),
    (Rule::I13, "a ticket is in no part of the ledger", |it| it.readings[0].admitted.tickets = 6),
    (Rule::I13, "a unit is in no part of the ledger", |it| it.readings[0].cancelled.units = 2),
    (Rule::I15, "a caller hears of a script", |it| {
        let error = "NOSCRIPT No matching script".to_owned();
        set_outcome(it, "g", 51, Outcome::Unknown { error });
    }),
    (Rule::I16, "the head of the queue waits although units are free", |it| {
        it.sale.stock = Some(4);
        it.readings[0].stock = Some(4);
    }),
    (Rule::I16, "a ticket of a sale without stock waits", |it| {
        it.sale.stock = None;
        it.readings[0].stock = None;
    }),
    (Rule::I16, "something is in flight at the end", |it| {
        it.readings[0].in_flight = it.readings[0].cancelled;
        it.readings[0].cancelled = Count::default();
        it.readings[0].stock = Some(4);
    }),
    (Rule::I16, "a buyer is refused although units are left", |it| {
        it.sale.stock = Some(5);
        *answer(it, "d", 310) = status(name(2, 100), State::Rejected, 0);
    }),
    (Rule::OnePlaceOneBuyer, "two buyers get one ticket", |it| {
        for start in [130, 155, 310] {
            answer(it, "d", start).ticket = name(1, 3);
        }
    }),
    (Rule::OnePlaceOneBuyer, "two buyers get one signed ticket", |it| {
        answer(it, "d", 130).signed = "signed 1/3".to_owned();
    }),
    (Rule::OnePlaceOneBuyer, "a ticket is delivered for another", |it| {
        it.deliveries[1].buyer = "a".to_owned();
    }),
    (Rule::OnePlaceOneBuyer, "a ticket is ordered by another", |it| it.orders[1].buyer = "g".to_owned()),
    (Rule::OrdersArePrivate, "a buyer gets another's order", |it| {
        answer(it, "b", 310).order = Some("order of a".to_owned());
    }),
    (Rule::Durability, "a ticket is lost without a loss", |it| {
        *answer(it, "d", 155) = status(name(2, 100), State::Lost, 0);
    }),
    (Rule::Durability, "a ticket is lost that its level protects", |it| {
        answer(it, "c", 40).durability = Some(Level::Replicated);
    }),
    (Rule::Durability, "a restored ticket is lost again without another loss", |it| {
        it.calls.push(poll("c", 125, status(name(1, 3), State::Lost, 0)));
    }),
    (Rule::Restore, "a restored ticket is claimed behind a later one", |it| {
        it.work.retain(|work| work.ticket != name(1, 3));
        let claim = |at, ticket| Work {
            at: at * MS,
            ticket,
            fence: at,
            step: Step::Claimed { attempt: 1, until: 1_000 * MS },
        };
        it.work.extend([claim(180, name(2, 100)), claim(190, name(1, 3))]);
    }),
    (Rule::Restore, "a restored ticket is delivered behind a later one", |it| {
        it.work.clear();
        it.deliveries[2].at = 190 * MS;
        let buyer = "d".to_owned();
        it.deliveries.push(Delivery { at: 180 * MS, ticket: name(2, 100), buyer, units: 1, attempt: 1 });
    }),
    (Rule::Restore, "a ticket is restored and ordered twice", |it| {
        it.readings[0].ordered.tickets = 4;
        it.readings[0].admitted.tickets = 6;
    }),
];

#[test]
fn every_planted_violation_is_found() {
    let mut missed = Vec::new();
    for (rule, what, plant) in PLANTED {
        let mut history = good();
        plant(&mut history);
        let broken = rules(&history);
        if !broken.contains(rule) {
            missed.push(format!("{what}: {rule:?} is not among {broken:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_rule_has_a_planted_violation() {
    for rule in Rule::ALL {
        assert!(PLANTED.iter().any(|(planted, ..)| *planted == rule), "{rule}");
    }
}

#[test]
fn a_call_without_a_result_may_have_happened_at_any_time_since() {
    let mut history = good();
    // It was admitted before it asked for the second time.
    history.calls.push(enqueue("g", 156, 157, None, status(name(1, 4), State::Waiting, 3)));
    history.calls.push(poll("g", 310, status(name(1, 4), State::Waiting, 1)));
    assert!(!rules(&history).contains(&Rule::I5));
    // A cancellation without an answer lets others pass.
    let cancel = Request::Cancel { ticket: name(1, 3) };
    let mut history = good();
    history.calls.push(call("c", 121, 122, cancel, Outcome::Unknown { error: String::new() }));
    history.work.retain(|work| work.ticket != name(1, 3));
    let step = Step::Claimed { attempt: 1, until: 1_000 * MS };
    history.work.push(Work { at: 180 * MS, ticket: name(2, 100), fence: 4, step });
    assert!(!rules(&history).contains(&Rule::Restore));
}

#[test]
fn violations_are_described_in_words_with_their_calls() {
    let mut history = good();
    *answer(&mut history, "e", 310) = status(name(2, 101), State::Waiting, 2);
    let violation = check(&history).into_iter().find(|it| it.rule == Rule::I8).unwrap();
    assert_eq!(
        violation.to_string(),
        "I8 (a ticket has one final state and at most one order): ticket 2/101: Poll of e at 0.310 s–0.311 s answered \
         Waiting, and before it Cancel of e at 0.151 s–0.152 s answered Cancelled"
    );
    assert_eq!(violation.buyers, ["e"]);
}
