//! Durations in Go's notation: `300ms`, `1.5s`, `1m30s`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text_value;

/// A duration that is parsed and formatted in Go's notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GoDuration(pub Duration);

/// The units and their nanoseconds.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write a number and a unit, such as 300ms, 1.5s, 1m30s or 2h")]
pub struct InvalidDuration(String);

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).map(Self).ok_or_else(|| InvalidDuration(text.to_owned()))
    }
}

fn parse(mut rest: &str) -> Option<Duration> {
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let is_digit = |letter: char| letter.is_ascii_digit() || letter == '.';
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|letter| !is_digit(letter))?);
        let (unit, after) = after.split_at(after.find(is_digit).unwrap_or(after.len()));
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        nanoseconds += number.parse::<f64>().ok()? * size;
        rest = after;
    }
    Duration::try_from_secs_f64(nanoseconds / 1e9).ok()
}

impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}ns", self.0.as_nanos())
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Go accepts a bare 0 as a duration, with or without quotes.
        text_value::parse(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_formatted_duration_parses_to_itself(nanoseconds in 0..1_u64 << 50) {
            let duration = GoDuration(Duration::from_nanos(nanoseconds));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "([0-9.a-zµ -]|ms|ns|1e|99999999999999999999){0,12}") {
            let _ = text.parse::<GoDuration>();
        }
    }

    #[test]
    fn durations_of_go_are_parsed() {
        let cases = [
            ("0", 0),
            ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1m30s", 90_000_000_000),
            ("2h45m", 9_900_000_000_000),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("12ns", 12),
        ];
        for (text, nanoseconds) in cases {
            assert_eq!(text.parse::<GoDuration>().map(|read| read.0.as_nanos()), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_errors() {
        for text in ["", "5", "s", "5 s", "-1s", "1d", "1.2.3s", "1s2", "1e400s", "asdf"] {
            assert!(text.parse::<GoDuration>().is_err(), "{text:?}");
        }
    }
}
