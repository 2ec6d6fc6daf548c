//! Sales as text.

use std::time::Duration;

use inrush_client::proto::{Count, Ledger, Pace, Sale, SaleState};

use super::view::{counts, durability, route, state};
use crate::{
    format::{self, count, counted},
    output::{Output, Style, lines, number},
};

/// A sale: its state, its settings, its ledger.
pub(super) fn sale(sale: &Sale, output: &Output) -> String {
    format!("{}\n\n{}\n\n{}", headline(sale, output), settings(sale, output), ledger(sale, output))
}

/// A list of sales, one per line.
pub(super) fn sales(sales: &[Sale], more: bool, output: &Output) -> String {
    if sales.is_empty() {
        return "There are no sales yet: create one with `inrush sale create phone-x --stock 2000`."
            .to_owned();
    }
    let mut table = output.table([
        "SALE",
        "STATE",
        "STOCK",
        "FREE",
        "WAITING",
        "IN FLIGHT",
        "ORDERED",
        "DEAD",
        "PACE",
        "OPENS",
    ]);
    for sale in sales {
        let books = sale.ledger.unwrap_or_default();
        let dead = books.dead.unwrap_or_default().tickets;
        table.add_row([
            output.cell(Style::Title, &*sale.sale_id),
            output.cell(style(sale.state()), state(sale.state())),
            number(sale.stock.map_or_else(|| "–".to_owned(), count)),
            number(count(books.free_units)),
            number(count(books.waiting.unwrap_or_default().tickets)),
            number(count(books.in_flight.unwrap_or_default().tickets)),
            number(count(books.ordered.unwrap_or_default().tickets)),
            number(output.cell(if dead > 0 { Style::Bad } else { Style::Dim }, count(dead))),
            number(format::rate(sale.measured_pace)),
            output.cell(Style::Dim, opening(sale)),
        ]);
    }
    let hint = if more { "\nThere are more: --limit shows more of them." } else { "" };
    format!("{}{hint}", lines(&table))
}

/// The sale's id, state and holds.
pub(super) fn headline(sale: &Sale, output: &Output) -> String {
    let mut line = format!(
        "{}  {}",
        output.paint(Style::Title, &sale.sale_id),
        output.paint(style(sale.state()), state(sale.state()))
    );
    for (held, what) in [(sale.admission_held, "admission held"), (sale.fulfilment_held, "fulfilment held")] {
        if held {
            line.push_str("  ");
            line.push_str(&output.paint(Style::Warning, what));
        }
    }
    line
}

/// The ledger, the pace and the time until the queue is empty.
pub(super) fn ledger(sale: &Sale, output: &Output) -> String {
    let books = sale.ledger.unwrap_or_default();
    let mut table = output.table(["", "TICKETS", "UNITS"]);
    for (name, amount) in counts(&books) {
        table.add_row([
            output.cell(ledger_style(name, amount.tickets), name.replace('_', " ")),
            number(count(amount.tickets)),
            number(count(amount.units)),
        ]);
    }
    table.add_row([output.cell(Style::Good, "free"), number(""), number(count(books.free_units))]);
    let reconciled = match books.reconciled.unwrap_or_default() {
        Count { tickets: 0, .. } => String::new(),
        Count { tickets, .. } => format!(
            "\n{} of the order system had been forgotten by the store, and count again: they may exceed the stock",
            counted(tickets, "order")
        ),
    };
    format!("{}{reconciled}\n\n{}", lines(&table), pace(sale, &books))
}

/// The ordered part of the stock: `ordered ██████░░░░ 61 % of 2,000 units`. `None` for a sale without stock.
pub(super) fn progress(sale: &Sale, output: &Output) -> Option<String> {
    const WIDTH: u64 = 30;
    let stock = sale.stock.filter(|&stock| stock > 0)?;
    let ordered = sale.ledger.unwrap_or_default().ordered.unwrap_or_default().units.min(stock);
    let full = repeated("█", ordered * WIDTH / stock);
    let empty = repeated("░", WIDTH - ordered * WIDTH / stock);
    let bar = format!("{}{}", output.paint(Style::Good, &full), output.paint(Style::Dim, &empty));
    Some(format!("ordered {bar} {} % of {}", ordered * 100 / stock, counted(stock, "unit")))
}

fn repeated(text: &str, times: u64) -> String {
    text.repeat(usize::try_from(times).unwrap_or_default())
}

fn settings(sale: &Sale, output: &Output) -> String {
    output.pairs([
        ("stock", stock(sale)),
        ("per ticket", format!("at most {}", counted(sale.unit_limit, "unit"))),
        ("opens", opening(sale)),
        ("closes", sale.close_time.map_or_else(|| "by hand".to_owned(), format::moment)),
        ("route", route(sale.route()).to_lowercase()),
        ("pace limit", sale.pace.as_ref().map_or_else(|| "none".to_owned(), pace_limit)),
        ("attempts", format!("{}, with a lease of {}", sale.max_attempts, lease(sale))),
        ("durability", durability(sale.durability()).to_lowercase()),
        ("version", format!("{}, epoch {}", sale.version, sale.epoch)),
    ])
}

fn stock(sale: &Sale) -> String {
    match (sale.stock, sale.cap) {
        (Some(stock), Some(cap)) => format!("{}, up to {} admitted", counted(stock, "unit"), count(cap)),
        (Some(stock), None) => counted(stock, "unit"),
        (None, cap) => format!("none; up to {} wait", counted(cap.unwrap_or_default(), "unit")),
    }
}

fn opening(sale: &Sale) -> String {
    sale.open_time.map_or_else(|| "at its creation".to_owned(), format::moment)
}

fn pace_limit(pace: &Pace) -> String {
    format!("{}, bursts of {}", format::rate(pace.tickets_per_second), count(pace.burst))
}

fn lease(sale: &Sale) -> String {
    let lease = sale.lease_duration.and_then(|lease| Duration::try_from(lease).ok());
    format::duration(lease.unwrap_or_default())
}

fn pace(sale: &Sale, books: &Ledger) -> String {
    let waiting = books.waiting.unwrap_or_default().tickets;
    let now = format!("pace now {}", format::rate(sale.measured_pace));
    match time_to_serve(waiting, sale.measured_pace) {
        Some(time) => format!("{now}: the queue takes about {}", format::duration(time)),
        None => now,
    }
}

/// How long `waiting` tickets take at a pace; `None` if no ticket waits or the pace is 0.
#[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
fn time_to_serve(waiting: u64, per_second: f64) -> Option<Duration> {
    if waiting == 0 || per_second <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64((waiting as f64 / per_second).ceil()).ok()
}

const fn style(state: SaleState) -> Style {
    match state {
        SaleState::Open => Style::Good,
        SaleState::SoldOut | SaleState::Held | SaleState::Scheduled => Style::Warning,
        SaleState::Unspecified | SaleState::Ended | SaleState::Closed => Style::Dim,
    }
}

fn ledger_style(account: &str, tickets: u64) -> Style {
    match account {
        "dead" if tickets > 0 => Style::Bad,
        "admitted" | "waiting" | "in_flight" | "ordered" => Style::Title,
        _ => Style::Dim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Sale {
        Sale {
            sale_id: "phone-x".to_owned(),
            stock: Some(2000),
            cap: Some(2400),
            unit_limit: 2,
            state: SaleState::Open.into(),
            measured_pace: 480.0,
            fulfilment_held: true,
            ledger: Some(Ledger {
                waiting: Some(Count { tickets: 1200, units: 1300 }),
                free_units: 700,
                ..Ledger::default()
            }),
            ..Sale::default()
        }
    }

    #[test]
    fn a_sale_shows_its_state_its_ledger_and_its_pace() {
        let text = sale(&example(), &Output::plain());
        for part in [
            "phone-x  OPEN  fulfilment held",
            "2,000 units, up to 2,400 admitted",
            "waiting",
            "1,300",
            "pace now 480/s: the queue takes about 3 s",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "the output has no colour");
        assert!(!text.contains("forgotten"), "{text}");
        let ledger = Ledger { reconciled: Some(Count { tickets: 7, units: 9 }), ..Ledger::default() };
        let text = super::ledger(&Sale { ledger: Some(ledger), ..example() }, &Output::plain());
        assert!(text.contains("\n7 orders of the order system had been forgotten"), "{text}");
    }

    #[test]
    fn progress_is_the_ordered_part_of_the_stock() {
        let with = |ordered: u64| {
            let ordered = Some(Count { tickets: 1, units: ordered });
            progress(
                &Sale { ledger: Some(Ledger { ordered, ..Ledger::default() }), ..example() },
                &Output::plain(),
            )
        };
        let half = format!("ordered {}{} 50 % of 2,000 units", "█".repeat(15), "░".repeat(15));
        assert_eq!(with(1000), Some(half));
        assert!(with(0).unwrap().contains(" 0 %") && with(2000).unwrap().contains(" 100 %"));
        assert_eq!(progress(&Sale { stock: None, ..example() }, &Output::plain()), None);
    }

    #[test]
    fn a_list_has_a_line_for_each_sale() {
        let text = sales(&[example()], true, &Output::plain());
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("--limit"), "{text}");
        assert!(sales(&[], false, &Output::plain()).contains("sale create"));
    }
}
