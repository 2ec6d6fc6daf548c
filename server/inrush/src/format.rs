//! Numbers and times as text for people.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

/// A count with its digits in groups: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of something: `1 unit`, `2,000 units`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A rate of tickets: `482/s`, `1.5/s`, and `6/min` below one per second.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 1.0 {
        return format!("{}/min", decimal(per_second * 60.0));
    }
    format!("{}/s", decimal(per_second))
}

/// A positive number, with one decimal if it is below ten and not whole.
fn decimal(number: f64) -> String {
    if number < 10.0 && (number - number.round()).abs() >= 0.05 {
        return format!("{number:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is positive, and `as` saturates"
    )]
    let whole = number.round() as u64;
    count(whole)
}

/// A duration in its two largest units: `850 ms`, `2 min 10 s`, `3 h 5 min`.
pub(crate) fn duration(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.subsec_millis()),
        1..10 if duration.subsec_millis() >= 100 => format!("{:.1} s", duration.as_secs_f64()),
        1..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => two_units((seconds / MINUTE, "min"), (seconds % MINUTE, "s")),
        HOUR..DAY => two_units((seconds / HOUR, "h"), (seconds % HOUR / MINUTE, "min")),
        DAY.. => two_units((seconds / DAY, "d"), (seconds % DAY / HOUR, "h")),
    }
}

fn two_units((large, large_unit): (u64, &str), (small, small_unit): (u64, &str)) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// A time and its distance from now: `2026-11-11 20:00:00 UTC (in 10 min)`.
pub(crate) fn moment(moment: Timestamp) -> String {
    let text = Timestamp { nanos: 0, ..moment }.to_string().replace('T', " ").replace('Z', " UTC");
    match SystemTime::try_from(moment) {
        Ok(moment) => format!("{text} ({})", distance(moment, SystemTime::now())),
        Err(_) => text,
    }
}

/// The time of the day, in UTC: `20:00:01`.
pub(crate) fn clock(moment: SystemTime) -> String {
    humantime::format_rfc3339_seconds(moment).to_string().chars().skip("2026-11-11T".len()).take(8).collect()
}

fn distance(moment: SystemTime, now: SystemTime) -> String {
    match moment.duration_since(now) {
        Ok(ahead) => format!("in {}", duration(ahead)),
        Err(behind) => format!("{} ago", duration(behind.duration())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "unit"), "1 unit");
        assert_eq!(counted(2000, "unit"), "2,000 units");
    }

    #[test]
    fn durations_show_two_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (850, "850 ms"),
            (1000, "1 s"),
            (2500, "2.5 s"),
            (45_000, "45 s"),
            (130_000, "2 min 10 s"),
            (3_600_000, "1 h"),
            (11_100_000, "3 h 5 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn rates_are_whole_unless_small() {
        for (per_second, text) in [
            (0.0, "0/s"),
            (1.0 / 60.0, "1/min"),
            (0.55, "33/min"),
            (1.5, "1.5/s"),
            (3.0, "3/s"),
            (9.99, "10/s"),
            (482.4, "482/s"),
            (12_345.0, "12,345/s"),
        ] {
            assert_eq!(rate(per_second), text);
        }
    }

    #[test]
    fn times_include_their_distance() {
        let past = Timestamp { seconds: 0, nanos: 5 };
        assert!(moment(past).starts_with("1970-01-01 00:00:00 UTC ("), "{}", moment(past));
        assert!(moment(past).ends_with(" ago)"), "{}", moment(past));
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(distance(now + Duration::from_secs(600), now), "in 10 min");
        assert_eq!(clock(now + Duration::from_secs(3661)), "01:01:01");
    }
}
