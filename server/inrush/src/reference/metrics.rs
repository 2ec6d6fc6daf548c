//! Every metric, as a page.

use std::fmt::Write as _;

use inrush_runtime::telemetry::{Family, PROCESS_FAMILIES};

use super::{cell, check_page};
use crate::serve::STORE_FAMILIES;

const HEAD: &str = "\
# Metrics

This page is generated from the definitions of the metrics. After changing one, write it anew with
`INRUSH_TEST_WRITE_DOCS=1 cargo test -p inrush --bin inrush reference`. A whole-system test holds it to what running
services tell.

Each service tells its metrics on `/metrics` of its admin port, in the format of Prometheus. Where
`telemetry.otlp_endpoint` names an OpenTelemetry collector they go there as well, under the second name.

**Series of sales.** The first `telemetry.max_sales` sales (50) that a process meets have series of their own; all others
are together under `sale=\"(other)\"`, their counts added up, of the oldest age the largest. A sale loses its series in a
process that has nothing to tell of it for an hour, and its place goes to the next that is met. Gauges of a sale
end when it is closed and nothing of it is left to do, or an hour after it was deleted at the latest. Every fulfilment tells the gauges of all
sales, so queries take the largest of each: `max by (sale) (inrush_waiting_tickets)`. Sales in which nothing has happened
yet have gauges until half of the series are taken, so that the others are there for sales that run.

| metric | at a collector | kind | labels | told by | meaning |
|---|---|---|---|---|---|
";

#[test]
fn the_page_of_metrics_is_current() {
    check_page("metrics.md", &page());
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let fulfilment = inrush_fulfilment::families();
    for (families, by) in [
        (&inrush_front::FAMILIES[..], "front"),
        (&STORE_FAMILIES[..], "front, fulfilment"),
        (&fulfilment[..], "fulfilment"),
        (&inrush_orders::FAMILIES[..], "orders"),
        (&PROCESS_FAMILIES[..], "all"),
    ] {
        for family in families {
            row(&mut page, family, by);
        }
    }
    page
}

fn row(page: &mut String, family: &Family, by: &str) {
    let labels: Vec<String> = family.prometheus_labels().iter().map(|label| format!("`{label}`")).collect();
    writeln!(
        page,
        "| `{}` | `{}`{} | {} | {} | {by} | {}. |",
        family.prometheus_name(),
        family.name,
        if family.unit.is_empty() { String::new() } else { format!(" in {}", cell(family.unit)) },
        family.kind.prometheus_type(),
        labels.join(", "),
        cell(family.help),
    )
    .unwrap();
}

#[test]
fn no_two_metrics_have_the_same_name_and_each_is_explained_in_one_sentence() {
    let fulfilment = inrush_fulfilment::families();
    let all = [
        &inrush_front::FAMILIES[..],
        &STORE_FAMILIES,
        &fulfilment,
        &inrush_orders::FAMILIES,
        &PROCESS_FAMILIES,
    ]
    .concat();
    let mut names: Vec<String> = all.iter().map(Family::prometheus_name).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for family in &all {
        assert!(!family.help.is_empty() && !family.help.ends_with('.'), "{family:?}");
    }
}
