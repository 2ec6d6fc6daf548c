//! Every metric, as a page.

use std::fmt::Write as _;

use inrush_telemetry::{MetricDef, PROCESS_METRICS};

use super::{cell, check_page};
use crate::serve::STORE_METRICS;

const HEAD: &str = "\
# Metrics

This page is generated from the definitions of the metrics. After changing one, write it anew with
`INRUSH_TEST_WRITE_DOCS=1 cargo test -p inrush --bin inrush reference`. A whole-system test holds it to what running
services tell.

Each service tells its metrics on `/metrics` of its admin port, in the format of Prometheus. Where
`telemetry.otlp_endpoint` names an OpenTelemetry collector they go there as well, under the second name.

**Series of sales.** The first `telemetry.max_sales` sales (50) that a process meets have series of their own; all others
are together under `sale=\"_OTHER\"`, their counts added up, of the oldest age the largest. A sale loses its series in a
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
    let fulfilment = inrush_fulfilment::metric_defs();
    for (metrics, by) in [
        (&inrush_front::METRICS[..], "front"),
        (&STORE_METRICS[..], "front, fulfilment"),
        (&fulfilment[..], "fulfilment"),
        (&inrush_orders::METRICS[..], "orders"),
        (&PROCESS_METRICS[..], "all"),
    ] {
        for metric in metrics {
            row(&mut page, metric, by);
        }
    }
    page
}

fn row(page: &mut String, metric: &MetricDef, by: &str) {
    let labels: Vec<String> = metric.prometheus_labels().iter().map(|label| format!("`{label}`")).collect();
    writeln!(
        page,
        "| `{}` | `{}`{} | {} | {} | {by} | {}. |",
        metric.prometheus_name(),
        metric.name,
        if metric.unit.is_empty() { String::new() } else { format!(" in {}", cell(metric.unit)) },
        metric.kind.prometheus_type(),
        labels.join(", "),
        cell(metric.help),
    )
    .unwrap();
}

#[test]
fn no_two_metrics_have_the_same_name_and_each_is_explained_in_one_sentence() {
    let fulfilment = inrush_fulfilment::metric_defs();
    let all =
        [&inrush_front::METRICS[..], &STORE_METRICS, &fulfilment, &inrush_orders::METRICS, &PROCESS_METRICS]
            .concat();
    let mut names: Vec<String> = all.iter().map(MetricDef::prometheus_name).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for metric in &all {
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{metric:?}");
    }
}
