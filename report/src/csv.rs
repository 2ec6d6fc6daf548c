//! ghz's list of calls: one line per call that is kept, in the order in which they ended.

use std::{borrow::Cow, io};

use super::{Report, digest::Digest};

/// Writes the list.
pub(super) fn write(report: &Report, to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "duration (ms),status,error")?;
    for detail in Digest::new(report).details {
        let milliseconds = detail.latency.as_secs_f64() * 1_000.0;
        writeln!(to, "{milliseconds:.2},{},{}", detail.status, field(detail.error))?;
    }
    Ok(())
}

/// A field as RFC 4180 wants it: in quotes where it holds a separator.
fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Format, fixture, write};

    #[test]
    fn every_call_has_a_line_and_errors_are_quoted() {
        let mut bytes = Vec::new();
        write(&fixture::report(), Format::Csv, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let error = format!("Unavailable,\"{}\"\n", fixture::ERROR.replace('"', "\"\""));
        assert!(text.starts_with("duration (ms),status,error\n1.00,OK,\n"), "{text}");
        assert_eq!(text.matches(&error).count(), 10);
        assert_eq!(text.matches(",OK,\n").count(), 990);
    }
}
