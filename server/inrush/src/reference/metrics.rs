//! The page of metrics.

use std::fmt::Write as _;

use inrush_telemetry::{MetricDef, PROCESS_METRICS};

use super::{cell, check_page};
use crate::serve::STORE_METRICS;

const HEAD: &str = "\
# Metrics

This page is generated from the definitions of the metrics. After a change, write it again with
`INRUSH_TEST_WRITE_DOCS=1 cargo test -p inrush --bin inrush reference`. An end-to-end test compares it with the metrics of
running services.

Each service exports its metrics on `/metrics` of its admin port, in Prometheus' format. If `telemetry.otlp_endpoint` is
set, it also sends them to that OpenTelemetry collector, under the names of the second column.

**Series of sales.** The first `telemetry.max_sales` sales (50) of a process have their own series. Further sales share
`sale=\"_OTHER\"`: counts are added, of ages the largest is taken. A sale without activity in a process for an hour loses
its series there, and the next sale can get them. The gauges of a sale end when it is closed and has nothing left to do,
at the latest an hour after it was deleted. Every fulfilment process exports the gauges of all sales, so queries take the
maximum: `max by (sale) (inrush_waiting_tickets)`. Sales without any activity have gauges only in half of the series; the
other half is kept for active sales.

| metric | OpenTelemetry name | kind | labels | exported by | meaning |
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
fn metrics_have_unique_names_and_a_help_text_of_one_sentence() {
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
