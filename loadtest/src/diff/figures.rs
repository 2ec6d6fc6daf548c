//! The figures that are compared.

use inrush_report::{QUANTILES, figure::percentile};

use crate::threshold::{Clock::Planned, Figure, Statistic};

/// The figures that are compared, with their names.
pub(super) fn figures() -> Vec<(String, Figure)> {
    let mut figures = vec![
        ("rps".to_owned(), Figure::Rate),
        ("mean".to_owned(), Figure::Latency(Planned, Statistic::Mean)),
    ];
    for quantile in QUANTILES {
        figures.push((percentile(quantile), Figure::Latency(Planned, Statistic::Quantile(quantile))));
    }
    figures.push(("max".to_owned(), Figure::Latency(Planned, Statistic::Max)));
    figures.push(("errors".to_owned(), Figure::Errors));
    figures
}
