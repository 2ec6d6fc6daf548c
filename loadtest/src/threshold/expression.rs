//! The expression of a threshold: a metric, a relation, a limit.

use std::str::FromStr;

use inrush_transport::Error;

use super::metric::{Kind, Metric};
use crate::go_duration::GoDuration;

/// A metric compared with a limit, as in `p99>5ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The text of the expression, trimmed.
    pub text: String,
    /// The metric.
    pub metric: Metric,
    /// The relation.
    pub relation: Relation,
    /// The limit.
    pub limit: Limit,
}

/// The relation between a metric and a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

/// The limit of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A value: seconds, calls per second, or calls.
    Value(f64),
    /// A share of all calls, from 0 to 1.
    Share(f64),
    /// A change from one run to another, as a share: +5% is 0.05.
    Change(f64),
}

/// Longer signs first, since they contain the shorter ones.
const RELATIONS: [(&str, Relation); 4] =
    [(">=", Relation::AtLeast), ("<=", Relation::AtMost), (">", Relation::Above), ("<", Relation::Below)];

impl Relation {
    /// Whether it holds between a value and a limit.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
        }
    }
}

impl FromStr for Expression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let parts = RELATIONS.into_iter().find_map(|(sign, relation)| {
            text.split_once(sign).map(|(metric, limit)| (metric.trim(), relation, limit.trim()))
        });
        let Some((metric, relation, limit)) = parts else {
            return Err(Error::new(
                format!("the threshold `{text}` has no >, >=, < or <="),
                "write a metric, a relation and a limit, such as p99>5ms or errors>0.1%",
            ));
        };
        let metric: Metric = metric.parse()?;
        let limit = Limit::parse(limit, metric.kind(), text)?;
        Ok(Self { text: text.to_owned(), metric, relation, limit })
    }
}

impl Limit {
    fn parse(limit: &str, kind: Kind, whole: &str) -> Result<Self, Error> {
        let percent = limit.strip_suffix('%').map(str::trim_end);
        let signed = limit.starts_with(['+', '-']);
        let parsed = match (percent, kind) {
            (Some(percent), _) if signed => number(percent).map(|percent| Self::Change(percent / 100.0)),
            (Some(percent), Kind::Calls) => number(percent).map(|percent| Self::Share(percent / 100.0)),
            (None, Kind::Calls | Kind::Rate) if !signed => number(limit).map(Self::Value),
            (None, Kind::Latency) if !signed => seconds(limit).map(Self::Value),
            _ => None,
        };
        parsed.ok_or_else(|| {
            let expected = match kind {
                Kind::Latency => "a time with its unit (ns, us, ms, s, m, h), such as 5ms",
                Kind::Rate => "calls per second, such as 1000",
                Kind::Calls => "a number of calls or a share of them, such as 10 or 0.1%",
            };
            Error::new(
                format!("the threshold `{whole}` has an invalid limit `{limit}`"),
                format!("write {expected}; diff also takes a change, such as +5%"),
            )
        })
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn seconds(text: &str) -> Option<f64> {
    text.replace(' ', "").parse().ok().map(|GoDuration(duration)| duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_parsed_with_their_units() {
        for (text, limit) in [
            ("p99>5ms", Limit::Value(5.0 * 1e-3)),
            ("p99>1.5s", Limit::Value(1.5)),
            ("p99 < 2 us", Limit::Value(2.0 * 1e-6)),
            ("errors>0.5%", Limit::Share(0.005)),
            ("errors>10", Limit::Value(10.0)),
            ("rps<1e3", Limit::Value(1_000.0)),
            ("p99>+5%", Limit::Change(0.05)),
            ("rps< -5 %", Limit::Change(-0.05)),
        ] {
            assert_eq!(text.parse::<Expression>().unwrap().limit, limit, "{text}");
        }
    }

    #[test]
    fn an_invalid_limit_is_an_error_with_the_expected_form() {
        for (text, expected) in [
            ("p99>5", "with its unit"),
            ("p99>5 parsec", "with its unit"),
            ("p99>5%", "with its unit"),
            ("rps<10%", "calls per second"),
            ("errors>many", "a share of them"),
            ("errors>inf", "a share of them"),
            ("p99=5ms", "a relation"),
            ("", "a relation"),
            ("p99>>5ms", "with its unit"),
        ] {
            let error = text.parse::<Expression>().unwrap_err();
            assert!(error.remedy().contains(expected), "{text}: {error}");
        }
    }
}
