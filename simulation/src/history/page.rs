//! A history as one page of HTML that needs nothing but itself: what is broken, when faults were active, and every call.

use std::collections::{BTreeMap, BTreeSet};

use inrush_report::{markup::Markup, page::document};

use super::{
    index::seconds,
    model::{Call, History, Nanos, Outcome, Request, State, TicketName},
    rule::Violation,
};

/// Buyers that are drawn at most. Those that a violation names come first.
const MAX_LANES: usize = 200;

/// Rows of a table at most.
const MAX_ROWS: usize = 1_000;

const WIDTH: f64 = 1_060.0;
const LABELS: f64 = 150.0;
const LANE: f64 = 15.0;
const BAR: f64 = 11.0;

/// Shapes narrower than this could not be seen.
const MIN_WIDTH: f64 = 2.0;

/// The page of a history and of what [`check`](super::check) found in it.
#[must_use]
pub fn page(history: &History, violations: &[Violation]) -> String {
    let mut body = Markup::new();
    body.element("header", &[], |header| add_facts(header, history));
    body.element("main", &[], |main| {
        add_violations(main, violations);
        heading(main, "Timeline");
        add_timeline(main, history, violations);
        heading(main, "What the named buyers saw");
        add_calls(main, history, violations);
    });
    document(&format!("History of {}", history.sale.id), &body)
}

fn heading(main: &mut Markup, text: &str) {
    main.text_element("h2", &[], text);
}

fn add_facts(header: &mut Markup, history: &History) {
    header.text_element("h1", &[], format!("History of {}", history.sale.id));
    header.element("p", &[("class", &"facts")], |facts| {
        let sale = &history.sale;
        if !history.origin.is_empty() {
            facts.text_element("span", &[], &history.origin);
        }
        facts.text_element("span", &[], format!("durability {:?}", sale.durability));
        if let Some(stock) = sale.stock {
            facts.text_element("span", &[], format!("stock {stock}, cap {}", sale.cap));
        }
        facts.text_element("span", &[], format!("{} calls", history.calls.len()));
        facts.text_element("span", &[], format!("{} orders", history.orders.len()));
    });
}

fn add_violations(main: &mut Markup, violations: &[Violation]) {
    heading(main, "Violations");
    if violations.is_empty() {
        main.text_element("p", &[], "The history breaks no rule.");
        return;
    }
    let rows = violations.iter().map(|violation| {
        let Violation { rule, what, at, buyers } = violation;
        vec![rule.to_string(), seconds(*at), buyers.join(", "), what.clone()]
    });
    table(main, &["rule", "time", "buyers", "what"], rows);
}

fn table(main: &mut Markup, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    main.element("div", &[("class", &"card scroll")], |card| {
        card.element("table", &[], |table| {
            table.element("thead", &[], |thead| {
                thead.element("tr", &[], |tr| head.iter().for_each(|cell| tr.text_element("th", &[], cell)));
            });
            table.element("tbody", &[], |tbody| {
                for row in rows.take(MAX_ROWS) {
                    tbody.element("tr", &[], |tr| {
                        row.iter().for_each(|cell| tr.text_element("td", &[], cell));
                    });
                }
            });
        });
    });
}

/// Where times lie on the page.
struct Axis {
    end: Nanos,
}

impl Axis {
    fn of(history: &History) -> Self {
        let calls = history.calls.iter().map(|call| call.end);
        let faults = history.faults.iter().map(|fault| fault.until);
        Self { end: calls.chain(faults).max().unwrap_or_default().max(1) }
    }

    fn x(&self, at: Nanos) -> f64 {
        LABELS + (WIDTH - LABELS) * (at.min(self.end) as f64 / self.end as f64)
    }
}

/// A row of the timeline: its label, and what happened when.
struct Lane<'a> {
    label: &'a str,
    is_named: bool,
    bars: Vec<Bar>,
}

struct Bar {
    from: Nanos,
    until: Nanos,
    colour: &'static str,
    text: String,
}

fn add_timeline(main: &mut Markup, history: &History, violations: &[Violation]) {
    let axis = Axis::of(history);
    let lanes: Vec<Lane<'_>> =
        fault_lanes(history).into_iter().chain(buyer_lanes(history, violations)).collect();
    let height = LANE * (lanes.len() + 2) as f64;
    let view = format!("0 0 {WIDTH} {height}");
    main.element("div", &[("class", &"card scroll")], |card| {
        card.element("svg", &[("class", &"chart"), ("viewBox", &view), ("role", &"img")], |svg| {
            svg.text_element("title", &[], "Faults and calls over time");
            add_ticks(svg, &axis, height);
            for violation in violations {
                add_mark(svg, &axis, violation, height);
            }
            for (index, lane) in lanes.iter().enumerate() {
                add_lane(svg, &axis, lane, LANE * (index + 2) as f64);
            }
        });
    });
}

fn add_ticks(svg: &mut Markup, axis: &Axis, height: f64) {
    const TICKS: u64 = 10;
    for tick in 0..TICKS {
        let at = axis.end / TICKS * tick;
        let x = axis.x(at);
        let line: [(&str, &dyn std::fmt::Display); 5] =
            [("x1", &x), ("x2", &x), ("y1", &LANE), ("y2", &height), ("stroke", &"#94a3b855")];
        svg.leaf("line", &line);
        let place: [(&str, &dyn std::fmt::Display); 4] =
            [("x", &x), ("y", &(LANE - 4.0)), ("font-size", &"10"), ("fill", &"#64748b")];
        svg.text_element("text", &place, seconds(at));
    }
}

fn add_mark(svg: &mut Markup, axis: &Axis, violation: &Violation, height: f64) {
    let x = axis.x(violation.at);
    let line: [(&str, &dyn std::fmt::Display); 6] = [
        ("x1", &x),
        ("x2", &x),
        ("y1", &LANE),
        ("y2", &height),
        ("stroke", &"#dc2626"),
        ("stroke-dasharray", &"4 3"),
    ];
    svg.element("line", &line, |line| line.text_element("title", &[], violation));
}

fn add_lane(svg: &mut Markup, axis: &Axis, lane: &Lane<'_>, y: f64) {
    let (base, weight) = (y + BAR - 2.0, if lane.is_named { "700" } else { "400" });
    let label: [(&str, &dyn std::fmt::Display); 5] =
        [("x", &0), ("y", &base), ("font-size", &"10"), ("font-weight", &weight), ("fill", &"#64748b")];
    svg.text_element("text", &label, lane.label);
    for bar in &lane.bars {
        let x = axis.x(bar.from);
        let width = (axis.x(bar.until) - x).max(MIN_WIDTH);
        let place: [(&str, &dyn std::fmt::Display); 5] =
            [("x", &x), ("y", &y), ("width", &width), ("height", &BAR), ("fill", &bar.colour)];
        svg.element("rect", &place, |rect| rect.text_element("title", &[], &bar.text));
    }
}

fn fault_lanes(history: &History) -> Vec<Lane<'_>> {
    let faults = history.faults.iter().map(|fault| Lane {
        label: &fault.what,
        is_named: false,
        bars: vec![Bar { from: fault.from, until: fault.until, colour: "#f59e0b", text: fault.what.clone() }],
    });
    let losses = history.losses.iter().map(|loss| {
        let text = format!("may forget {:?}", loss.forgets);
        Lane {
            label: "loss",
            is_named: false,
            bars: vec![Bar { from: loss.from, until: loss.until, colour: "#f87171", text }],
        }
    });
    faults.chain(losses).collect()
}

/// The buyers, those that a violation names first.
fn buyer_lanes<'a>(history: &'a History, violations: &[Violation]) -> Vec<Lane<'a>> {
    let named = named(violations);
    let mut calls: BTreeMap<(bool, &str), Vec<Bar>> = BTreeMap::new();
    for call in &history.calls {
        let bar = Bar { from: call.start, until: call.end, colour: colour(&call.outcome), text: text(call) };
        calls.entry((!named.contains(call.buyer.as_str()), &call.buyer)).or_default().push(bar);
    }
    let lanes = calls.into_iter().map(|((others, label), bars)| Lane { label, is_named: !others, bars });
    lanes.take(MAX_LANES).collect()
}

fn named(violations: &[Violation]) -> BTreeSet<&str> {
    violations.iter().flat_map(|violation| violation.buyers.iter().map(String::as_str)).collect()
}

fn add_calls(main: &mut Markup, history: &History, violations: &[Violation]) {
    let named = named(violations);
    let of_named = history.calls.iter().filter(|call| named.contains(call.buyer.as_str()));
    let mut rows: Vec<(Nanos, Vec<String>)> = of_named
        .map(|call| {
            let row = vec![
                seconds(call.start),
                seconds(call.end),
                call.buyer.clone(),
                request(call.request),
                outcome(&call.outcome),
            ];
            (call.start, row)
        })
        .collect();
    let tickets: BTreeSet<TicketName> = history
        .calls
        .iter()
        .filter(|call| named.contains(call.buyer.as_str()))
        .filter_map(|call| match &call.outcome {
            Outcome::Answered(answer) => Some(answer.ticket),
            _ => None,
        })
        .collect();
    for order in history.orders.iter().filter(|order| tickets.contains(&order.ticket)) {
        let released =
            order.released_at.map(|at| format!(", released at {}", seconds(at))).unwrap_or_default();
        let what = format!("{} units, order {}{released}", order.units, order.id);
        let row = vec![
            seconds(order.created_at),
            String::new(),
            order.buyer.clone(),
            format!("order of ticket {}", order.ticket),
            what,
        ];
        rows.push((order.created_at, row));
    }
    rows.sort_by_key(|(at, _)| *at);
    table(main, &["start", "end", "buyer", "what", "outcome"], rows.into_iter().map(|(_, row)| row));
}

fn text(call: &Call) -> String {
    format!(
        "{} to {}: {} {}: {}",
        seconds(call.start),
        seconds(call.end),
        call.buyer,
        request(call.request),
        outcome(&call.outcome)
    )
}

fn request(request: Request) -> String {
    match request {
        Request::Enqueue { units, previous_ticket: None } => format!("Enqueue {units} units"),
        Request::Enqueue { units, previous_ticket: Some(ticket) } => {
            format!("Enqueue {units} units, previous ticket {ticket}")
        }
        Request::Poll { ticket } => format!("PollStatus {ticket}"),
        Request::Cancel { ticket } => format!("Cancel {ticket}"),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(answer) => {
            let order = answer.order.as_ref().map(|order| format!(", order {order}")).unwrap_or_default();
            format!("{:?}, ticket {}, position {}{order}", answer.state, answer.ticket, answer.position)
        }
        Outcome::Refused { reason } => format!("refused: {reason}"),
        Outcome::Failed { error } => format!("failed: {error}"),
        Outcome::NotFound => "not found".to_owned(),
        Outcome::Unknown { error } => format!("no answer: {error}"),
    }
}

fn colour(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(answer) => match answer.state {
            State::Waiting => "#60a5fa",
            State::Processing => "#fbbf24",
            State::Ordered => "#22c55e",
            State::Released => "#a855f7",
            State::Cancelled | State::Expired => "#94a3b8",
            State::Rejected => "#b45309",
            State::Dead => "#0f172a",
            State::Lost => "#dc2626",
        },
        Outcome::Refused { .. } => "#cbd5e1",
        Outcome::Failed { .. } => "#fb923c",
        Outcome::NotFound => "#be185d",
        Outcome::Unknown { .. } => "#f9a8d4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{
        model::{Answer, Fault, SaleFacts},
        rule::Rule,
    };

    fn poll(buyer: &str, state: State) -> Call {
        let ticket = TicketName { epoch: 7, seq: 3 };
        let answer = Answer { ticket, state, order: Some("o-1".to_owned()), ..Answer::default() };
        Call {
            buyer: buyer.to_owned(),
            start: 1_000_000_000,
            end: 1_500_000_000,
            request: Request::Poll { ticket },
            outcome: Outcome::Answered(answer),
        }
    }

    #[test]
    fn the_page_shows_violations_faults_and_the_calls_of_named_buyers() {
        let history = History {
            origin: "make chaos SEED=1".to_owned(),
            sale: SaleFacts { id: "s".to_owned(), stock: Some(5), ..SaleFacts::default() },
            calls: vec![poll("ann", State::Ordered), poll("<bob>", State::Lost)],
            faults: vec![Fault { what: "kill-redis (5 ms)".to_owned(), until: 9, ..fault() }],
            ..History::default()
        };
        let violations = [Violation {
            rule: Rule::I4,
            what: "two orders".to_owned(),
            at: 1_200_000_000,
            buyers: vec!["ann".to_owned()],
        }];
        let page = page(&history, &violations);
        for text in [
            "make chaos SEED=1",
            "two orders",
            "kill-redis (5 ms)",
            "PollStatus 7/3",
            "Ordered",
            "&lt;bob&gt;",
        ] {
            assert!(page.contains(text), "{text} is missing: {page}");
        }
        assert!(!page.contains("<bob>"), "texts are escaped");
        let rows = page.matches("<tr>").count();
        assert_eq!(rows, 2 + 2, "a head and a row for the violation, and for the one call of ann: {page}");
    }

    #[test]
    fn a_good_history_has_a_page_too() {
        assert!(page(&History::default(), &[]).contains("breaks no rule"));
    }

    fn fault() -> Fault {
        Fault { from: 0, until: 0, what: String::new(), breaks_deliveries: false }
    }
}
