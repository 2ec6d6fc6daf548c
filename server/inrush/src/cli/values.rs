//! Values of flags that have their own syntax: times, rates, quantities, and `none`.

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use prost_types::Timestamp;

/// The word that resets a setting.
const NONE: &str = "none";

/// A value, or `none` for the setting's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrNone<T> {
    /// `none`.
    None,
    /// A value.
    Value(T),
}

impl<T> OrNone<T> {
    /// The value, if there is one.
    pub(crate) fn into_option(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<T> FromStr for OrNone<T>
where
    T: FromStr,
    T::Err: ToString,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == NONE {
            return Ok(Self::None);
        }
        text.parse().map(Self::Value).map_err(|error: T::Err| error.to_string())
    }
}

/// A whole number of units or tickets; underscores may group the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity(pub(crate) u64);

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.replace('_', "");
        digits
            .parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is not a whole number, such as 2000 or 20_000"))
    }
}

/// A time: `2026-11-11T20:00:00+01:00`, `now`, or from now: `+10m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeArg(pub(crate) Timestamp);

impl FromStr for TimeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!("`{text}` is not a time: write 2026-11-11T20:00:00Z, or +10m for ten minutes from now")
        };
        if text == "now" {
            return Ok(Self(SystemTime::now().into()));
        }
        if let Some(later) = text.strip_prefix('+') {
            let later = humantime::parse_duration(later).map_err(|_| invalid())?;
            let time = SystemTime::now().checked_add(later).ok_or_else(invalid)?;
            return Ok(Self(time.into()));
        }
        text.parse().map(Self).map_err(|_| invalid())
    }
}

/// A duration: `500ms`, `30s`, `5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurationArg(pub(crate) Duration);

impl FromStr for DurationArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = humantime::parse_duration(text);
        span.map(Self).map_err(|_| format!("`{text}` is not a duration, such as 500ms, 30s or 5m"))
    }
}

/// Tickets per second: `500`, `500/s` or `90/m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Tickets per second.
    pub(crate) per_second: f64,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, seconds) = match text.split_once('/') {
            None | Some((_, "s")) => (text.trim_end_matches("/s"), 1.0),
            Some((number, "m")) => (number, 60.0),
            Some(_) => (text, f64::NAN),
        };
        let per_second = number.replace('_', "").parse().unwrap_or(f64::NAN) / seconds;
        if f64::is_finite(per_second) && per_second > 0.0 {
            Ok(Self { per_second })
        } else {
            Err(format!("`{text}` is not a rate, such as 500/s or 90/m"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_or_per_minute() {
        for (text, per_second) in
            [("500", 500.0), ("500/s", 500.0), ("90/m", 1.5), ("1_000/s", 1000.0), ("0.5", 0.5)]
        {
            assert_eq!(text.parse(), Ok(Rate { per_second }), "{text}");
        }
        for text in ["", "0", "-1", "5/h", "fast", "inf", "5/s/s", "NaN"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("such as"), "{text}");
        }
    }

    #[test]
    fn times_are_absolute_or_from_now() {
        let absolute: TimeArg = "1970-01-01T01:00:05+01:00".parse().unwrap();
        assert_eq!(absolute.0, Timestamp { seconds: 5, nanos: 0 });
        let now: Timestamp = SystemTime::now().into();
        let later: TimeArg = "+1h".parse().unwrap();
        assert!((3600..3660).contains(&(later.0.seconds - now.seconds)));
        for text in ["", "tomorrow", "+", "+soon", "20:00"] {
            assert!(text.parse::<TimeArg>().unwrap_err().contains("write 2026"), "{text}");
        }
    }

    #[test]
    fn none_resets_a_setting() {
        assert_eq!("none".parse::<OrNone<Quantity>>(), Ok(OrNone::None));
        assert_eq!("20_000".parse(), Ok(OrNone::Value(Quantity(20_000))));
        assert!("some".parse::<OrNone<Quantity>>().is_err());
    }
}
