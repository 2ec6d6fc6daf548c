//! Formats numbers for people.

use std::time::Duration;

/// A latency to three significant digits: `1.23 ms`.
pub fn latency(latency: Duration) -> String {
    seconds(latency.as_secs_f64())
}

/// A latency in seconds to three significant digits, in the unit that fits: `850 µs`.
pub fn seconds(seconds: f64) -> String {
    let size = seconds.abs();
    // What is rounded up to a thousand of a unit is one of the next.
    match size {
        0.0 => "0 s".to_owned(),
        _ if size < 999.5e-9 => format!("{} ns", significant(seconds * 1e9)),
        _ if size < 999.5e-6 => format!("{} µs", significant(seconds * 1e6)),
        _ if size < 999.5e-3 => format!("{} ms", significant(seconds * 1e3)),
        _ if size < 600.0 => format!("{} s", significant(seconds)),
        _ => format!("{} min", significant(seconds / 60.0)),
    }
}

/// A span of a run: `850 ms`, `12.5 s`, `3:20 min`, `2:05:00 h`.
pub fn span(span: Duration) -> String {
    let whole = span.as_secs();
    match whole {
        0..120 => latency(span),
        120..3_600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02} h", whole / 3_600, whole / 60 % 60, whole % 60),
    }
}

/// A whole number with its thousands set apart: `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, or of things per second: `1,234`, `12.5`.
pub fn amount(amount: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    match amount.abs() {
        size if size < 999.5 => significant(amount),
        size if size < 1e18 => {
            format!("{}{}", if amount < 0.0 { "-" } else { "" }, count(size.round() as u64))
        }
        _ => format!("{amount:e}"),
    }
}

/// A number in few characters: `1.5k`, `20M`.
pub fn short(amount: f64) -> String {
    let size = amount.abs();
    match size {
        _ if size < 999.5 => significant(amount),
        _ if size < 999.5e3 => format!("{}k", significant(amount / 1e3)),
        _ if size < 999.5e6 => format!("{}M", significant(amount / 1e6)),
        _ => format!("{}G", significant(amount / 1e9)),
    }
}

/// A share of a whole, of 0 to 1: `0.125%`.
pub fn share(share: f64) -> String {
    format!("{}%", significant(share * 100.0))
}

/// What `part` is of `whole`, from 0 to 1; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "shares are read by people")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A number of bytes: `1.5 MB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(bytes: u64) -> String {
    let size = bytes as f64;
    match size {
        _ if size < 999.5 => format!("{bytes} B"),
        _ if size < 999.5e3 => format!("{} kB", significant(size / 1e3)),
        _ if size < 999.5e6 => format!("{} MB", significant(size / 1e6)),
        _ if size < 999.5e9 => format!("{} GB", significant(size / 1e9)),
        _ => format!("{} TB", significant(size / 1e12)),
    }
}

/// A quantile as a percentile: `p99.9`.
pub fn percentile(quantile: f64) -> String {
    format!("p{}", hundredfold(quantile))
}

/// A quantile with all of its digits: `99.99%`.
pub fn quantile(quantile: f64) -> String {
    format!("{}%", hundredfold(quantile))
}

fn hundredfold(quantile: f64) -> String {
    trimmed(&format!("{:.6}", quantile * 100.0)).to_owned()
}

/// Three significant digits, without zeros at the end.
fn significant(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 99.95 || size == 0.0 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size >= 0.09995 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let text = trimmed(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_three_digits_and_the_unit_that_fits() {
        let cases = [
            (0.0, "0 s"),
            (950e-9, "950 ns"),
            (999.7e-9, "1 µs"),
            (12.345e-6, "12.3 µs"),
            (0.001, "1 ms"),
            (0.0999, "99.9 ms"),
            (0.09999, "100 ms"),
            (1.5, "1.5 s"),
            (90.0, "90 s"),
            (900.0, "15 min"),
        ];
        for (value, text) in cases {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn other_numbers() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(amount(12.345), "12.3");
        assert_eq!(amount(-12_345.6), "-12,346");
        assert_eq!(short(1_500.0), "1.5k");
        assert_eq!(short(999_999.0), "1M");
        assert_eq!(share(0.00125), "0.125%");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(percentile(0.5), "p50");
        assert_eq!(percentile(0.9999), "p99.99");
        assert_eq!(quantile(0.9999), "99.99%");
        assert_eq!(span(Duration::from_secs(200)), "3:20 min");
        assert_eq!(span(Duration::from_secs(7_500)), "2:05:00 h");
    }
}
