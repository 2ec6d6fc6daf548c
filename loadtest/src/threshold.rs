//! Thresholds of a run: it fails if an expression such as `p99>5ms` is true.

mod expression;
mod metric;

use std::{fmt, str::FromStr};

pub use expression::{Expression, Limit, Relation};
pub use metric::{Clock, Kind, Metric, Statistic};

use inrush_report::measure::Results;
use inrush_transport::Error;

/// A threshold. A run fails if its expression is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold(Expression);

/// A threshold that a run has exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The text of the threshold.
    pub threshold: String,
    /// The measured value with its unit.
    pub measured: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.threshold, self.measured)
    }
}

impl FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let expression: Expression = text.parse()?;
        match expression.limit {
            Limit::Change(_) => Err(Error::new(
                format!("the threshold `{text}` limits a change, and there is only one run"),
                "write a limit without a sign, such as p99>5ms; changes are for inrush-loadtest diff",
            )),
            Limit::Value(_) | Limit::Share(_) => Ok(Self(expression)),
        }
    }
}

impl Threshold {
    /// The breach, if the run exceeded the threshold. A run without calls exceeds every threshold of a latency.
    fn breach(&self, results: &Results, count_errors: bool) -> Option<Breach> {
        let Expression { ref metric, relation, limit, .. } = self.0;
        let measured = match (metric.measure(results, count_errors), limit) {
            (None, _) => Some("no call was measured".to_owned()),
            (Some(value), Limit::Value(limit)) => {
                relation.holds(value, limit).then(|| metric.kind().text(value))
            }
            (Some(value), Limit::Share(limit)) => {
                let share = value / metric.whole(results).max(1.0);
                relation.holds(share, limit).then(|| inrush_report::format::share(share))
            }
            (Some(_), Limit::Change(_)) => None,
        };
        measured.map(|measured| Breach { threshold: self.0.text.clone(), measured })
    }
}

/// The thresholds that a run has exceeded. `count_errors` includes failed calls in the latencies.
pub fn check(thresholds: &[Threshold], results: &Results, count_errors: bool) -> Vec<Breach> {
    thresholds.iter().filter_map(|threshold| threshold.breach(results, count_errors)).collect()
}

#[cfg(test)]
mod tests {
    use inrush_report::fixture;

    use super::*;

    fn breaches(text: &str) -> Vec<Breach> {
        check(&[text.parse().unwrap()], &fixture::results(), false)
    }

    #[test]
    fn an_exceeded_threshold_is_reported_with_the_measured_value() {
        // The run of the fixture: 1,000 calls in ten seconds with latencies of 1 to 10 ms, 10 of them failed.
        for (text, measured) in [
            ("p50>5ms", "5.49 ms"),
            ("p99 >= 9900us", "9.91 ms"),
            (" max > 9 ms ", "9.99 ms"),
            ("errors>0.5%", "1%"),
            ("errors>=10", "10"),
            ("rps<1000", "100/s"),
            ("count<1001", "1,000"),
            ("unsent>0", "5"),
            ("late>=0.2%", "0.2%"),
            ("service.p50>4ms", "5.49 ms"),
            ("code.Unavailable>9", "10"),
        ] {
            let found = breaches(text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].measured, measured, "{text}");
            assert_eq!(found[0].threshold, text.trim());
        }
    }

    #[test]
    fn a_kept_threshold_is_not_reported() {
        for text in ["p50>6ms", "p99.9>=1s", "errors>1%", "rps<90", "code.Internal>0", "mean<1ms", "late>3"] {
            assert_eq!(breaches(text), [], "{text}");
        }
    }

    #[test]
    fn a_run_without_calls_exceeds_thresholds_of_latencies() {
        let nothing = Results::new(std::time::SystemTime::now(), true, std::time::Duration::from_secs(1), 0);
        let thresholds = ["p99>5s".parse().unwrap(), "errors>0".parse().unwrap()];
        let found = check(&thresholds, &nothing, false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].measured, "no call was measured");
    }

    #[test]
    fn a_change_is_an_error_for_a_single_run() {
        let error = "p99>+5%".parse::<Threshold>().unwrap_err();
        assert!(error.remedy().contains("diff"), "{error}");
    }
}
