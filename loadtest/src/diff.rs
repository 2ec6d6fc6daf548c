//! Two runs compared, with the confidence that what differs is more than chance.
//!
//! The calls of a run are not independent: a slow second makes many of them slow. So whole pieces of the two runs are
//! drawn again and again ([`bootstrap`]), and what a figure's change would then have been tells how far it can be
//! trusted. Nothing is random about it: the same two files give the same answer.

mod bootstrap;
mod comparison;
mod ghz;
mod pieces;
mod run;
mod table;

pub use comparison::{Comparison, Interval, Row, Verdict, compare};
pub use run::Run;
pub use table::write;

use crate::{
    problem::Problem,
    threshold::{Breach, Expression, Figure, Limit},
};

/// The thresholds that the second run did not keep. A change counts if it is shown, or if its confidence is unknown.
///
/// # Errors
/// When a threshold is about a figure that is not compared.
pub fn check(thresholds: &[Expression], comparison: &Comparison) -> Result<Vec<Breach>, Problem> {
    let mut breaches = Vec::new();
    for threshold in thresholds {
        let Some(row) = comparison.rows.iter().find(|row| row.figure == threshold.figure) else {
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
            threshold.relation.holds(after, limit).then(|| row.text(after))
        }
        Limit::Change(limit) => {
            let change = row.change?;
            let shown = !matches!(row.verdict, Verdict::NoDifference);
            let measured = format!("{} ({})", table::percent(change), row.verdict_text());
            (shown && threshold.relation.holds(change, limit)).then_some(measured)
        }
    };
    measured.map(|measured| Breach { threshold: threshold.text.clone(), measured })
}

fn not_compared(threshold: &Expression, comparison: &Comparison) -> Problem {
    let known: Vec<String> = comparison.rows.iter().map(|row| row.name.clone()).collect();
    Problem::new(
        format!("the threshold `{}` is about a figure that is not compared", threshold.text),
        format!("compared are {}; errors are a share here, such as errors>0.1%", known.join(", ")),
    )
}

/// The figures that are compared, and what they are called.
fn figures() -> Vec<(String, Figure)> {
    use crate::{
        report::figure::percentile,
        threshold::{Clock::Planned, Statistic},
    };
    let mut figures = vec![
        ("rps".to_owned(), Figure::Rate),
        ("mean".to_owned(), Figure::Latency(Planned, Statistic::Mean)),
    ];
    for quantile in crate::report::QUANTILES {
        figures.push((percentile(quantile), Figure::Latency(Planned, Statistic::Quantile(quantile))));
    }
    figures.push(("max".to_owned(), Figure::Latency(Planned, Statistic::Greatest)));
    figures.push(("errors".to_owned(), Figure::Errors));
    figures
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
    fn a_change_breaks_a_threshold_if_it_is_shown() {
        assert_eq!(breaches("p50>+5%", 1.1).len(), 1);
        assert_eq!(breaches("p50>+20%", 1.1), []);
        assert_eq!(breaches("p50>+0%", 1.0), []);
        assert_eq!(breaches("p50<-5%", 0.9).len(), 1);
    }

    #[test]
    fn a_value_is_that_of_the_second_run() {
        assert_eq!(breaches("p50>1us", 1.0).len(), 1);
        assert_eq!(breaches("errors>50%", 1.0), []);
    }

    #[test]
    fn what_is_not_compared_is_a_problem() {
        let comparison = compare(&fixture::run(1, 1.0), &fixture::run(2, 1.0), 0.95);
        let problem = check(&["unsent>0".parse().unwrap()], &comparison).unwrap_err();
        assert!(problem.remedy().contains("p99.9"), "{problem}");
    }
}
