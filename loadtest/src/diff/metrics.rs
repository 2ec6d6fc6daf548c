//! The metrics that are compared.

use inrush_report::{QUANTILES, format::percentile};

use crate::threshold::{Clock::Planned, Metric, Statistic};

/// The metrics that are compared, with their names.
pub(super) fn metrics() -> Vec<(String, Metric)> {
    let mut metrics = vec![
        ("rps".to_owned(), Metric::Rate),
        ("mean".to_owned(), Metric::Latency(Planned, Statistic::Mean)),
    ];
    for quantile in QUANTILES {
        metrics.push((percentile(quantile), Metric::Latency(Planned, Statistic::Quantile(quantile))));
    }
    metrics.push(("max".to_owned(), Metric::Latency(Planned, Statistic::Max)));
    metrics.push(("errors".to_owned(), Metric::Errors));
    metrics
}
