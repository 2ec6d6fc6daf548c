//! Both sides next to each other: as a table, and as JSON.

use inrush_report::{
    format::{amount, count, latency, share, span},
    measure::Quantile as _,
};
use serde_json::{Value, json};

use super::{run::Comparison, run_result::RunResult};

/// The table.
pub fn table(comparison: &Comparison) -> String {
    let Comparison { settings, measured_capacity, .. } = comparison;
    let mut lines = vec![
        String::new(),
        format!(
            "  The order system makes {} orders/s ({} workers, {} each); measured alone: {}/s.",
            amount(settings.capacity()),
            settings.workers,
            latency(settings.service),
            amount(*measured_capacity),
        ),
        format!(
            "  {} buyers come within {} for {} units, {} times as many as it can serve.",
            count(u64::from(settings.buyers())),
            span(settings.rush_lasts),
            count(settings.units),
            amount(settings.rush),
        ),
        String::new(),
        format!("  {:<34} {:>20} {:>20}", "", "straight at it", "through Inrush"),
    ];
    lines.extend(
        rows(comparison)
            .into_iter()
            .map(|(name, straight, through)| format!("  {name:<34} {straight:>20} {through:>20}")),
    );
    lines.join("\n")
}

/// Names, and the values of both sides.
pub(super) fn rows(comparison: &Comparison) -> Vec<(&'static str, String, String)> {
    let both = |name, value: &dyn Fn(&RunResult) -> String| {
        (name, value(&comparison.straight), value(&comparison.through))
    };
    let capacity = comparison.settings.capacity();
    vec![
        both("buyers", &|side| count(side.buyers)),
        both("served: received their order", &|side| count(side.served)),
        both("refused: nothing is left", &|side| count(side.sold_out)),
        both("gave up without an answer", &|side| count(side.gave_up)),
        both("orders made", &|side| count(side.made)),
        both("orders of buyers who had left", &|side| count(side.abandoned_orders)),
        both("goodput", &|side| format!("{}/s", amount(side.goodput))),
        both("goodput of capacity", &|side| share(side.goodput / capacity)),
        both("calls", &|side| count(side.calls)),
        both("calls that failed", &|side| count(side.failed_calls)),
        both("time to a final answer, p50", &|side| answer_at(side, 0.5)),
        both("time to a final answer, p99", &|side| answer_at(side, 0.99)),
        both("until the last unit was sold", &|side| span(side.window)),
    ]
}

fn answer_at(side: &RunResult, quantile: f64) -> String {
    if side.answers.count() == 0 { "-".to_owned() } else { latency(side.time_to_answer().at(quantile)) }
}

/// Everything, for programs.
pub fn json(comparison: &Comparison) -> Value {
    let (straight, through) = comparison.shares();
    json!({
        "kind": "compare",
        "date": humantime::format_rfc3339_millis(comparison.began).to_string(),
        "settings": comparison.settings,
        "buyers": comparison.settings.buyers(),
        "capacity": comparison.settings.capacity(),
        "measuredCapacity": comparison.measured_capacity,
        "straight": side(&comparison.straight, straight),
        "through": side(&comparison.through, through),
    })
}

fn side(side: &RunResult, share: f64) -> Value {
    let at = |quantile| side.time_to_answer().at(quantile).as_secs_f64();
    json!({
        "served": side.served,
        "soldOut": side.sold_out,
        "gaveUp": side.gave_up,
        "ordersMade": side.made,
        "abandonedOrders": side.abandoned_orders,
        "calls": side.calls,
        "failedCalls": side.failed_calls,
        "windowSeconds": side.window.as_secs_f64(),
        "goodput": side.goodput,
        "goodputOfCapacity": share,
        "secondsToAnswer": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) },
        "seconds": side.seconds,
    })
}
