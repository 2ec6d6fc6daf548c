//! The metrics of a run that thresholds can limit.

use std::str::FromStr;

use inrush_report::{
    format as text,
    measure::{Code, Quantile as _, Results},
};
use inrush_simulation::nearest::nearest;
use inrush_transport::Error;

/// A metric of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// A latency.
    Latency(Clock, Statistic),
    /// Calls per second that ended.
    Rate,
    /// Calls that ended.
    Count,
    /// Calls that failed.
    Errors,
    /// Calls that the load tool sent later than planned.
    Late,
    /// Calls that were due and never sent.
    Unsent,
    /// Calls that ended with this code.
    Code(Code),
}

/// The start of a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// From the planned time.
    Planned,
    /// From the time of sending.
    Service,
}

/// A statistic of many latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The latency at a quantile, from 0 to 1.
    Quantile(f64),
    /// The mean.
    Mean,
    /// The minimum.
    Min,
    /// The maximum.
    Max,
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Seconds.
    Latency,
    /// Calls per second.
    Rate,
    /// Calls.
    Calls,
}

impl Kind {
    /// A value with its unit.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Latency => text::seconds(value),
            Self::Rate => format!("{}/s", text::amount(value)),
            Self::Calls => text::amount(value),
        }
    }
}

/// The constant names. Percentiles, status codes and names with `service.` are parsed.
const NAMES: [(&str, Metric); 12] = [
    ("mean", Metric::Latency(Clock::Planned, Statistic::Mean)),
    ("average", Metric::Latency(Clock::Planned, Statistic::Mean)),
    ("min", Metric::Latency(Clock::Planned, Statistic::Min)),
    ("fastest", Metric::Latency(Clock::Planned, Statistic::Min)),
    ("max", Metric::Latency(Clock::Planned, Statistic::Max)),
    ("slowest", Metric::Latency(Clock::Planned, Statistic::Max)),
    ("median", Metric::Latency(Clock::Planned, Statistic::Quantile(0.5))),
    ("rps", Metric::Rate),
    ("count", Metric::Count),
    ("errors", Metric::Errors),
    ("late", Metric::Late),
    ("unsent", Metric::Unsent),
];

const KNOWN: &str = "known metrics: p50, p99.9 and other percentiles, mean, min, max, each also as service.p50 and so \
     on; rps, count, errors, late, unsent, and code.NAME such as code.Unavailable";

impl Metric {
    /// Its unit.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Latency(..) => Kind::Latency,
            Self::Rate => Kind::Rate,
            Self::Count | Self::Errors | Self::Late | Self::Unsent | Self::Code(_) => Kind::Calls,
        }
    }

    /// Its value in the unit of [`kind`](Self::kind). `None` for a latency if there are no calls.
    #[expect(clippy::cast_precision_loss, reason = "limits have fewer than sixteen digits")]
    pub fn measure(&self, results: &Results, count_errors: bool) -> Option<f64> {
        let calls = match *self {
            Self::Latency(clock, statistic) => return latency(clock, statistic, results, count_errors),
            Self::Rate => return Some(results.rate()),
            Self::Count => results.count(),
            Self::Errors => results.failures(),
            Self::Late => results.late,
            Self::Unsent => results.unsent,
            Self::Code(code) => results.codes[code.index()],
        };
        Some(calls as f64)
    }

    /// The number of calls that its share refers to: the due calls for unsent ones, otherwise the ended calls.
    #[expect(clippy::cast_precision_loss, reason = "limits have fewer than sixteen digits")]
    pub fn whole(&self, results: &Results) -> f64 {
        let unsent = if *self == Self::Unsent { results.unsent } else { 0 };
        (results.count() + unsent) as f64
    }
}

#[expect(clippy::cast_precision_loss, reason = "a latency has three digits")]
fn latency(clock: Clock, statistic: Statistic, results: &Results, count_errors: bool) -> Option<f64> {
    let latencies = results.latencies(count_errors);
    let histogram = match clock {
        Clock::Planned => latencies.from_planned,
        Clock::Service => latencies.service,
    };
    if histogram.is_empty() {
        return None;
    }
    let nanoseconds = match statistic {
        Statistic::Quantile(quantile) => return Some(histogram.at(quantile).as_secs_f64()),
        Statistic::Mean => histogram.mean(),
        Statistic::Min => histogram.min() as f64,
        Statistic::Max => histogram.max() as f64,
    };
    Some(nanoseconds / 1e9)
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let lower = name.to_ascii_lowercase();
        if let Some(of_service) = lower.strip_prefix("service.") {
            return match plain(of_service) {
                Some(Self::Latency(_, statistic)) => Ok(Self::Latency(Clock::Service, statistic)),
                _ => Err(unknown(name, "service.p99")),
            };
        }
        if let Some(code) = lower.strip_prefix("code.") {
            let same = |known: &Code| known.name().eq_ignore_ascii_case(code);
            return Code::ALL.into_iter().find(same).map(Self::Code).ok_or_else(|| unknown_code(name, code));
        }
        let near = || nearest(&lower, NAMES.map(|(known, _)| known)).unwrap_or("p99");
        plain(&lower).ok_or_else(|| unknown(name, near()))
    }
}

/// Parses a name without a prefix.
fn plain(name: &str) -> Option<Metric> {
    let known = NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, metric)| metric);
    known.or_else(|| percentile(name).map(|at| Metric::Latency(Clock::Planned, Statistic::Quantile(at))))
}

/// The quantile of a percentile such as `p99.9`.
fn percentile(name: &str) -> Option<f64> {
    let digits =
        name.strip_prefix('p').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))?;
    let percent: f64 = digits.parse().ok()?;
    // Rounded, so that 99.99 becomes the float nearest to 0.9999.
    (0.0..=100.0).contains(&percent).then(|| (percent * 1e9).round() / 1e11)
}

fn unknown(name: &str, near: &str) -> Error {
    Error::new(format!("unknown metric `{name}` in a threshold"), format!("try {near}; {KNOWN}"))
}

fn unknown_code(name: &str, code: &str) -> Error {
    let lower = Code::ALL.map(|known| known.name().to_ascii_lowercase());
    let near = nearest(code, lower.iter().map(String::as_str));
    let place = near.and_then(|near| lower.iter().position(|known| known == near));
    let near = place.and_then(|place| Code::ALL.get(place)).unwrap_or(&Code::Unavailable).name();
    unknown(name, &format!("code.{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_metric_is_an_error_with_the_nearest_known_one() {
        for (name, near) in [
            ("erors", "try errors;"),
            ("p101", "try"),
            ("service.errors", "try service.p99;"),
            ("code.Unavailible", "try code.Unavailable;"),
            ("", "known metrics"),
        ] {
            let error = name.parse::<Metric>().unwrap_err();
            assert!(error.remedy().contains(near), "{name}: {error}");
        }
    }

    #[test]
    fn names_are_case_insensitive() {
        assert_eq!("P99.99".parse(), Ok(Metric::Latency(Clock::Planned, Statistic::Quantile(0.9999))));
        assert_eq!("Service.MAX".parse(), Ok(Metric::Latency(Clock::Service, Statistic::Max)));
        assert_eq!("code.ok".parse(), Ok(Metric::Code(Code::Ok)));
    }
}
