//! The numbers of a run's page.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::{
    Report,
    digest::mean,
    format,
    markup::Markup,
    measure::{Code, Quantile as _, Results},
    measured::QUANTILES,
};

/// A number to show large.
#[derive(Debug, Clone)]
pub struct Headline {
    /// What it is.
    pub name: String,
    /// The number with its unit.
    pub value: String,
    /// What else there is to know about it.
    pub note: String,
    /// Shown as a warning.
    pub alarming: bool,
}

/// The numbers at the top of the page.
pub(super) fn headlines(report: &Report) -> Vec<Headline> {
    let results = &report.results;
    let latencies = results.latencies(report.count_errors);
    let card = |name: &str, value: String, note: String, alarming: bool| Headline {
        name: name.to_owned(),
        value,
        note,
        alarming,
    };
    let failures = results.failures();
    let calls = format!("{} calls", format::count(results.count()));
    let share = format::share(format::ratio(failures, results.count()));
    let mut cards = vec![
        card("rate", format!("{}/s", format::amount(results.rate())), calls, false),
        card("failed", share, format!("{} calls", format::count(failures)), failures > 0),
    ];
    let quantiles = [(0.5, "median"), (0.99, "p99"), (0.999, "p99.9"), (1.0, "max")];
    for (quantile, name) in quantiles.into_iter().filter(|_| latencies.count() > 0) {
        let at = |histogram: &Histogram<u64>| format::latency(histogram.at(quantile));
        let note = match results.open_loop {
            true => format!("service time {}", at(&latencies.service)),
            false => "service time".to_owned(),
        };
        cards.push(card(name, at(&latencies.from_planned), note, false));
    }
    cards
}

/// What the numbers do not show.
pub(super) fn add_warnings(report: &Report, main: &mut Markup) {
    let results = &report.results;
    let mut warnings = Vec::new();
    if results.count() == 0 {
        warnings.push("No call ended: there is nothing to show.".to_owned());
    }
    if !results.open_loop {
        warnings.push(
            "A closed loop: each worker waited for its answer before it called again, so a slow server was called less \
             often. Callers who do not wait for each other are worse off than these latencies say."
                .to_owned(),
        );
    }
    if results.unsent > 0 {
        let unsent = format::count(results.unsent);
        warnings.push(format!(
            "{unsent} calls were due and never sent, because too many were in flight or the time was over first: they are in no latency."
        ));
    }
    if results.late > 0 {
        warnings.push(format!(
            "{} calls were sent more than {} after their planned time, the latest by {}: the load tool could not keep \
             up. The wait is in the latency from the planned time.",
            format::count(results.late),
            format::latency(Results::LATE),
            format::latency(results.latest),
        ));
    }
    for warning in warnings {
        main.text_element("p", &[("class", &"warning")], warning);
    }
}

/// Both latencies, and that of failed calls.
pub(super) fn add_latencies(report: &Report, main: &mut Markup) {
    let results = &report.results;
    let names = QUANTILES.map(format::percentile);
    let names = names.iter().map(String::as_str).chain(["max", "mean", "calls"]);
    let head: Vec<String> = std::iter::once("").chain(names).map(str::to_owned).collect();
    let latencies = results.latencies(report.count_errors);
    let mut rows = Vec::new();
    if results.open_loop {
        rows.push(("from the planned time", &latencies.from_planned));
    }
    rows.push(("service time", &latencies.service));
    if results.failed.count() > 0 {
        rows.push(("failed calls, service time", &results.failed.service));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, histogram)| !histogram.is_empty())
        .map(|(name, histogram)| row(name, histogram))
        .collect();
    add_table(main, "numbers", &head, &rows);
}

fn row(name: &str, histogram: &Histogram<u64>) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(QUANTILES.iter().map(|quantile| format::latency(histogram.at(*quantile))));
    row.push(format::latency(Duration::from_nanos(histogram.max())));
    row.push(format::latency(mean(histogram)));
    row.push(format::count(histogram.len()));
    row
}

/// Status codes, and the texts of the errors.
pub(super) fn add_outcomes(report: &Report, main: &mut Markup) {
    let results = &report.results;
    let count = |code: &Code| results.codes[code.index()];
    let share = |calls: u64| format::share(format::ratio(calls, results.count()));
    let head = ["status", "calls", "share"].map(str::to_owned);
    let codes = Code::ALL.iter().filter(|code| count(code) > 0);
    let rows: Vec<Vec<String>> = codes
        .map(|code| vec![code.name().to_owned(), format::count(count(code)), share(count(code))])
        .collect();
    add_table(main, "numbers narrow", &head, &rows);
    if results.errors.is_empty() {
        return;
    }
    let mut errors: Vec<(&str, u64)> = results.errors.iter().collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rows: Vec<Vec<String>> =
        errors.into_iter().map(|(text, count)| vec![format::count(count), text.to_owned()]).collect();
    add_table(main, "errors", &["calls", "error"].map(str::to_owned), &rows);
}

/// What was not counted, what it took, and what was asked for.
pub(super) fn add_run(report: &Report, main: &mut Markup) {
    let results = &report.results;
    let ended = u32::try_from(results.count() + results.skipped + results.ignored).unwrap_or(u32::MAX);
    let per_call = results.processor_time.checked_div(ended).unwrap_or_default();
    let rows = [
        ("late", format::count(results.late)),
        ("unsent", format::count(results.unsent)),
        ("left out of the warm-up, or first ones", format::count(results.skipped)),
        ("cut off by the end of the run", format::count(results.ignored)),
        ("messages sent", format::bytes(results.bytes_sent)),
        ("messages received", format::bytes(results.bytes_received)),
        ("processor time of the load tool per call", format::latency(per_call)),
    ];
    let shown = rows.into_iter().filter(|(_, value)| value != "0");
    let rows: Vec<Vec<String>> = shown.map(|(name, value)| vec![name.to_owned(), value]).collect();
    add_table(main, "numbers narrow", &[], &rows);
    main.element("details", &[], |details| {
        details.text_element("summary", &[], "Options");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rows: Vec<Vec<String>> =
            report.options.iter().map(|(name, value)| vec![name.clone(), text(value)]).collect();
        add_table(details, "options", &[], &rows);
    });
}

/// A table; without a head if that is empty, and not at all without rows.
pub(super) fn add_table(main: &mut Markup, class: &str, head: &[String], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    main.element("div", &[("class", &"card scroll")], |card| {
        card.element("table", &[("class", &class)], |table| {
            if !head.is_empty() {
                table.element("thead", &[], |part| add_row(part, "th", head));
            }
            table.element("tbody", &[], |part| rows.iter().for_each(|row| add_row(part, "td", row)));
        });
    });
}

fn add_row(part: &mut Markup, cell: &str, row: &[String]) {
    part.element("tr", &[], |line| {
        for text in row {
            line.text_element(cell, &[], text);
        }
    });
}
