//! The figures of a run that a threshold can be about.

use std::{str::FromStr, time::Duration};

use crate::{
    measure::{Code, Quantile as _, Results},
    nearest::nearest,
    problem::Problem,
    report::figure as text,
};

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// A latency.
    Latency(Clock, Statistic),
    /// Calls per second that ended.
    Rate,
    /// Calls that ended.
    Count,
    /// Calls that failed.
    Errors,
    /// Calls that were sent later than planned, by the load tool's own fault.
    Late,
    /// Calls that were due and never sent.
    Unsent,
    /// Calls that ended with this code.
    Code(Code),
}

/// From when a latency is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// From the planned time.
    Planned,
    /// From the sending.
    Service,
}

/// A figure of many latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// What this share of the calls did not exceed.
    Quantile(f64),
    /// The mean.
    Mean,
    /// The least.
    Least,
    /// The greatest.
    Greatest,
}

/// What a figure is a number of.
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

/// The names that are whole words; percentiles, codes and `service.` come with a part of their own.
const NAMES: [(&str, Figure); 12] = [
    ("mean", Figure::Latency(Clock::Planned, Statistic::Mean)),
    ("average", Figure::Latency(Clock::Planned, Statistic::Mean)),
    ("min", Figure::Latency(Clock::Planned, Statistic::Least)),
    ("fastest", Figure::Latency(Clock::Planned, Statistic::Least)),
    ("max", Figure::Latency(Clock::Planned, Statistic::Greatest)),
    ("slowest", Figure::Latency(Clock::Planned, Statistic::Greatest)),
    ("median", Figure::Latency(Clock::Planned, Statistic::Quantile(0.5))),
    ("rps", Figure::Rate),
    ("count", Figure::Count),
    ("errors", Figure::Errors),
    ("late", Figure::Late),
    ("unsent", Figure::Unsent),
];

const KNOWN: &str = "known figures: p50, p99.9 and other percentiles, mean, min, max, each also as service.p50 and so \
     on; rps, count, errors, late, unsent, and code.NAME such as code.Unavailable";

impl Figure {
    /// What it is a number of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Latency(..) => Kind::Latency,
            Self::Rate => Kind::Rate,
            Self::Count | Self::Errors | Self::Late | Self::Unsent | Self::Code(_) => Kind::Calls,
        }
    }

    /// Its value, in what [`kind`](Self::kind) says; none for a latency of no calls.
    #[expect(clippy::cast_precision_loss, reason = "limits are not set to sixteen digits")]
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

    /// Of how many calls it is a share: of those that were due for those that were not sent, else of those that ended.
    #[expect(clippy::cast_precision_loss, reason = "limits are not set to sixteen digits")]
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
    let nanoseconds = match statistic {
        Statistic::Quantile(quantile) => return latency_at(&histogram, quantile).map(|at| at.as_secs_f64()),
        Statistic::Mean => histogram.mean(),
        Statistic::Least => histogram.min() as f64,
        Statistic::Greatest => histogram.max() as f64,
    };
    (!histogram.is_empty()).then_some(nanoseconds / 1e9)
}

fn latency_at(histogram: &hdrhistogram::Histogram<u64>, quantile: f64) -> Option<Duration> {
    (!histogram.is_empty()).then(|| histogram.at(quantile))
}

impl FromStr for Figure {
    type Err = Problem;

    fn from_str(name: &str) -> Result<Self, Problem> {
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

/// A name without a prefix.
fn plain(name: &str) -> Option<Figure> {
    let known = NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, figure)| figure);
    known.or_else(|| percentile(name).map(|at| Figure::Latency(Clock::Planned, Statistic::Quantile(at))))
}

/// The quantile of a percentile such as `p99.9`.
fn percentile(name: &str) -> Option<f64> {
    let digits =
        name.strip_prefix('p').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))?;
    let percent: f64 = digits.parse().ok()?;
    // Rounded, so that 99.99 becomes the float that is nearest to 0.9999.
    (0.0..=100.0).contains(&percent).then(|| (percent * 1e9).round() / 1e11)
}

fn unknown(name: &str, near: &str) -> Problem {
    Problem::new(
        format!("a threshold names `{name}`, which is no figure of a run"),
        format!("try {near}; {KNOWN}"),
    )
}

fn unknown_code(name: &str, code: &str) -> Problem {
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
    fn unknown_figures_are_told_with_the_nearest_known() {
        for (name, near) in [
            ("erors", "try errors;"),
            ("p101", "try"),
            ("service.errors", "try service.p99;"),
            ("code.Unavailible", "try code.Unavailable;"),
            ("", "known figures"),
        ] {
            let problem = name.parse::<Figure>().unwrap_err();
            assert!(problem.remedy().contains(near), "{name}: {problem}");
        }
    }

    #[test]
    fn names_are_not_case_sensitive() {
        assert_eq!("P99.99".parse(), Ok(Figure::Latency(Clock::Planned, Statistic::Quantile(0.9999))));
        assert_eq!("Service.MAX".parse(), Ok(Figure::Latency(Clock::Service, Statistic::Greatest)));
        assert_eq!("code.ok".parse(), Ok(Figure::Code(Code::Ok)));
    }
}
