//! The values of a comparison as text.

use inrush_report::format;

use super::comparison::{Conclusion, Interval, Row};
use crate::threshold::Metric;

/// A value with its unit.
pub(super) fn value(row: &Row, value: f64) -> String {
    match row.metric {
        Metric::Errors => format::share(value),
        metric => metric.kind().text(value),
    }
}

/// The confidence interval of the change.
pub(super) fn interval(row: &Row) -> Option<String> {
    let Interval { low, high } = row.interval?;
    if row.metric != Metric::Errors {
        return Some(format!("{} to {}", percent(low), percent(high)));
    }
    let points = |share| percent(share).trim_end_matches('%').to_owned();
    Some(format!("{} to {} points", points(low), points(high)))
}

/// The verdict, in the words for its metric.
pub(super) fn verdict(row: &Row) -> &'static str {
    let (higher, lower) = match row.metric {
        Metric::Latency(..) => ("slower", "faster"),
        Metric::Errors => ("more errors", "fewer errors"),
        _ => ("more", "less"),
    };
    match row.verdict {
        Conclusion::Higher => higher,
        Conclusion::Lower => lower,
        Conclusion::NoDifference => "no difference shown",
        Conclusion::TooShort => "run too short",
        Conclusion::TooRare => "too few events",
        Conclusion::SingleCall => "a single call: not judged",
        Conclusion::Missing => "no calls",
    }
}

/// A change with its sign.
pub(super) fn percent(change: f64) -> String {
    let percent = change * 100.0;
    let decimals = if percent.abs() < 0.095 { 2 } else { 1 };
    let text = format!("{percent:+.decimals$}%");
    // Zero has no sign.
    if text.trim_start_matches(['+', '-']).trim_end_matches('%').parse() == Ok(0.0) {
        "0%".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_signs() {
        let cases =
            [(0.1, "+10.0%"), (-0.0049, "-0.5%"), (0.0004, "+0.04%"), (0.0, "0%"), (-0.000_001, "0%")];
        for (change, text) in cases {
            assert_eq!(percent(change), text);
        }
    }
}
