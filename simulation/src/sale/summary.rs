//! The results of a sale, as a table and as JSON.

use std::{collections::BTreeMap, time::Duration};

use inrush_proto::v1::Count;
use inrush_report::{
    Format, Report, format,
    measure::{Latencies, Quantile as _, Results},
    write,
};
use serde_json::{Map, Value, json};

use super::{checker::Check, run::SaleRun, shared::Counters};

/// Quantiles that are written down.
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999];

/// The table at the end.
pub fn text(run: &SaleRun) -> String {
    let mut lines = vec![String::new()];
    lines.extend(rows(run).into_iter().map(|(name, value, note)| row(name, &value, &note)));
    lines.push(String::new());
    for check in &run.checks {
        let mark = if check.faults == 0 { "✓" } else { "✗ must be 0" };
        lines.push(row(check.name, &format::count(check.faults), &format!("{mark}  ({})", check.rests_on)));
        lines.extend(check.examples.iter().map(|example| format!("    {example}")));
    }
    lines.push(String::new());
    if run.stuck {
        let stuck = humantime::format_duration(run.scenario.times.stuck_after);
        lines.push(format!("Nothing changed for {stuck}: the sale was checked as it was."));
    }
    lines.push(verdict(run).to_owned());
    lines.join("\n")
}

/// `PASS` or `FAIL`.
pub fn verdict(run: &SaleRun) -> &'static str {
    if run.passed() { "PASS" } else { "FAIL" }
}

fn row(name: &str, value: &str, note: &str) -> String {
    format!("  {name:<24} {value:>12}  {note}").trim_end().to_owned()
}

/// Names, values and notes of what happened.
pub(super) fn rows(run: &SaleRun) -> Vec<(&'static str, String, String)> {
    let counters = &run.shared.counters;
    let count = format::count;
    let scenario = &run.scenario;
    let ordered = run.ordered;
    let enqueues = &run.measures.enqueues;
    let mut rows = vec![
        (
            "buyers",
            count(counters.arrived.get()),
            format!(
                "for {} units, at most {} in the queue",
                count(scenario.units),
                count(scenario.effective_cap())
            ),
        ),
        ("admitted", count(counters.queued.get()), repeats(counters)),
        ("refused", count(counters.refused.get()), "sold out".to_owned()),
        ("cancelled", count(counters.cancelled.get()), "units freed immediately".to_owned()),
        ("released", count(tickets(run.ledger.released)), "never paid, units sold again".to_owned()),
        ("expired", count(tickets(run.ledger.expired)), "on standby at the close".to_owned()),
        ("ordered", count(ordered), format!("units, in {}", format::span(run.took))),
        ("orders", per_second(orders_rate(run)), format!("within {}", format::span(run.orders_made().1))),
        ("enqueues", per_second(enqueues.rate()), latencies(&enqueues.latencies(true))),
        ("polls", per_second(run.measures.polls.rate()), latencies(&run.measures.polls.latencies(true))),
        (
            "time to a final answer",
            count(run.measures.final_answers.count()),
            latencies(&run.measures.final_answers),
        ),
        ("failed calls", count(counters.failures.get()), "retried until they were answered".to_owned()),
    ];
    // In a closed loop no call has a planned time.
    if enqueues.open_loop {
        let late = format!("more than 5 ms late, at most {}", latest(run));
        rows.push(("late", count(run.measures.late()), late));
    }
    rows
}

fn repeats(counters: &Counters) -> String {
    let repeated = format::count(counters.repeated.get());
    let left = match counters.left.get() {
        0 => String::new(),
        left => format!(", {} left", format::count(left)),
    };
    format!("{repeated} repeated and got the same ticket{left}")
}

/// Orders per second of the time in which orders were made, those that were released later included.
pub fn orders_rate(run: &SaleRun) -> f64 {
    let (orders, time) = run.orders_made();
    format::ratio(orders, 1) / time.as_secs_f64().max(0.001)
}

fn tickets(count: Option<Count>) -> u64 {
    count.unwrap_or_default().tickets
}

fn per_second(rate: f64) -> String {
    format!("{}/s", format::amount(rate))
}

/// Latencies from the planned time, which in a closed loop is the sending.
fn latencies(latencies: &Latencies) -> String {
    let at = |quantile| format::latency(latencies.from_planned.at(quantile));
    if latencies.count() == 0 {
        return "none".to_owned();
    }
    format!("p50 {}, p99 {}, max {}", at(0.5), at(0.99), at(1.0))
}

fn latest(run: &SaleRun) -> String {
    format::latency(
        run.measures.enqueues.latest.max(run.measures.polls.latest).max(run.measures.others.latest),
    )
}

/// Everything, for programs.
pub fn json(run: &SaleRun) -> Value {
    let opened = humantime::format_rfc3339_millis(run.opened).to_string();
    let counters = &run.shared.counters;
    json!({
        "kind": "sale",
        "verdict": verdict(run),
        "date": opened,
        "server": run.server,
        "sale": run.sale,
        "tookSeconds": run.took.as_secs_f64(),
        "stuck": run.stuck,
        "scenario": run.scenario,
        "checks": run.checks.iter().map(check).collect::<Vec<_>>(),
        "counts": {
            "arrived": counters.arrived.get(),
            "answered": counters.answered.get(),
            "tickets": counters.queued.get(),
            "refused": counters.refused.get(),
            "bypassed": counters.bypassed.get(),
            "repeated": counters.repeated.get(),
            "cancelled": counters.cancelled.get(),
            "released": counters.released.get(),
            "left": counters.left.get(),
            "orderedUnits": run.ledger.ordered.unwrap_or_default().units,
            "polls": counters.polls.get(),
            "changes": counters.changes.get(),
            "failedCalls": counters.failures.get(),
            "late": run.measures.late(),
        },
        "calls": {
            "enqueue": calls(run, "Enqueue", &run.measures.enqueues),
            "pollStatus": calls(run, "PollStatus", &run.measures.polls),
        },
        "finalAnswer": distribution(&run.measures.final_answers),
        "timeline": run.moments,
        "positions": run.measures.tracks,
    })
}

fn check(check: &Check) -> Value {
    json!({
        "name": check.name,
        "faults": check.faults,
        "restsOn": check.rests_on,
        "examples": check.examples,
    })
}

/// Calls of one method, as the report of a run.
pub(super) fn report(run: &SaleRun, method: &str, results: &Results) -> Report {
    let options = match serde_json::to_value(&run.scenario) {
        Ok(Value::Object(options)) => options,
        _ => Map::new(),
    };
    Report {
        name: Some(format!("Flash sale {}: {}", run.sale, verdict(run))),
        host: run.server.clone(),
        call: format!("inrush.v1.QueueService/{method}"),
        options,
        tags: BTreeMap::new(),
        count_errors: true,
        results: results.clone(),
    }
}

/// The same as ghz's JSON, so that what reads one reads the other.
fn calls(run: &SaleRun, method: &str, results: &Results) -> Value {
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = write(&report(run, method, results), Format::Json, &mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Latencies from the planned time, in nanoseconds.
fn distribution(latencies: &Latencies) -> Value {
    let histogram = &latencies.from_planned;
    let quantiles: Vec<Value> = QUANTILES
        .into_iter()
        .map(|quantile| json!({"percentage": quantile * 100.0, "latency": nanoseconds(histogram.at(quantile))}))
        .collect();
    json!({
        "count": latencies.count(),
        "average": histogram.mean(),
        "slowest": nanoseconds(histogram.at(1.0)),
        "latencyDistribution": quantiles,
    })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
