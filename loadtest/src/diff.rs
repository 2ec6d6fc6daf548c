//! Compares two runs, with confidence intervals of the differences.
//!
//! The calls of a run are not independent: a slow second makes many of them slow. So the confidence intervals come from
//! a block [`bootstrap`] over short pieces of the two runs. Its seed is fixed: the same two files give the same result.

mod bootstrap;
mod comparison;
mod ghz;
mod metrics;
mod pieces;
mod report_file;
mod run;
mod table;
mod text;

pub use comparison::{Comparison, Conclusion, Interval, Row, compare};
pub use report_file::read;
pub use run::{Run, RunKind};
pub use table::write;

use inrush_transport::Error;

use crate::threshold::{Breach, Expression, Limit};

/// The thresholds that are exceeded. A change counts if it is significant, or if its significance is unknown.
///
/// # Errors
/// If the metric of a threshold is not compared.
pub fn check(thresholds: &[Expression], comparison: &Comparison) -> Result<Vec<Breach>, Error> {
    let mut breaches = Vec::new();
    for threshold in thresholds {
        let Some(row) = comparison.rows.iter().find(|row| row.metric == threshold.metric) else {
            return Err(not_compared(threshold, comparison));
        };
        breaches.extend(breach(threshold, row));
    }
    Ok(breaches)
}

fn breach(threshold: &Expression, row: &Row) -> Option<Breach> {
    let after = row.after?;
    let measured = match threshold.limit {
        Limit::Value(limit) | Limit::Share(limit) => {
            threshold.relation.holds(after, limit).then(|| text::value(row, after))
        }
        Limit::Change(limit) => {
            let change = row.change?;
            let may_differ = !matches!(row.verdict, Conclusion::NoDifference);
            let measured = format!("{} ({})", text::percent(change), text::verdict(row));
            (may_differ && threshold.relation.holds(change, limit)).then_some(measured)
        }
    };
    measured.map(|measured| Breach { threshold: threshold.text.clone(), measured })
}

fn not_compared(threshold: &Expression, comparison: &Comparison) -> Error {
    let known: Vec<String> = comparison.rows.iter().map(|row| row.name.clone()).collect();
    Error::new(
        format!("the metric of the threshold `{}` is not compared", threshold.text),
        format!("use one of {}; errors are a share here, such as errors>0.1%", known.join(", ")),
    )
}

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(text: &str, slower: f64) -> Vec<Breach> {
        let comparison = compare(&fixture::run(1, 1.0), &fixture::run(2, slower), 0.95);
        check(&[text.parse().unwrap()], &comparison).unwrap()
    }

    #[test]
    fn a_change_exceeds_a_threshold_if_it_is_significant() {
        assert_eq!(breaches("p50>+5%", 1.1).len(), 1);
        assert_eq!(breaches("p50>+20%", 1.1), []);
        assert_eq!(breaches("p50>+0%", 1.0), []);
        assert_eq!(breaches("p50<-5%", 0.9).len(), 1);
    }

    #[test]
    fn a_value_is_compared_with_the_second_run() {
        assert_eq!(breaches("p50>1us", 1.0).len(), 1);
        assert_eq!(breaches("errors>50%", 1.0), []);
    }

    #[test]
    fn a_metric_that_is_not_compared_is_an_error() {
        let comparison = compare(&fixture::run(1, 1.0), &fixture::run(2, 1.0), 0.95);
        let error = check(&["unsent>0".parse().unwrap()], &comparison).unwrap_err();
        assert!(error.remedy().contains("p99.9"), "{error}");
    }
}
