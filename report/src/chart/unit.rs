//! What an axis counts, and how its numbers are written.

use crate::format;

/// What a number on an axis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Things per second.
    PerSecond,
    /// Seconds since the start of a run.
    Elapsed,
    /// A latency in seconds.
    Latency,
    /// A share, from 0 to 1.
    Share,
    /// A quantile, from 0 to 1: all of its digits count.
    Quantile,
}

impl Unit {
    /// A value next to an axis, in few characters.
    pub fn tick(self, value: f64) -> String {
        match self {
            Self::Count | Self::PerSecond => format::short(value),
            Self::Elapsed => elapsed(value),
            Self::Latency => format::seconds(value),
            Self::Share => format::share(value),
            Self::Quantile => format::quantile(value),
        }
    }

    /// A value in a sentence.
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Count => format::amount(value),
            Self::PerSecond => format!("{}/s", format::amount(value)),
            Self::Elapsed => elapsed(value),
            Self::Latency => format::seconds(value),
            Self::Share => format::share(value),
            Self::Quantile => format::quantile(value),
        }
    }
}

/// `12 s`, and beyond two minutes `3:20`.
fn elapsed(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{} s", format::amount(seconds));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and is positive"
    )]
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
