//! A run as plain lines, for pipes and logs.

use std::{
    io::{Write as _, stderr},
    time::Duration,
};

use inrush_report::{format, measure::Interval};

use super::{
    recent::Recent,
    view::{Snapshot, View},
};

/// Time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Writes a line to stderr every second, and one when the run begins to wait for something.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Number of lines written.
    written: u64,
    /// The last status.
    status: Option<String>,
}

impl View for Lines {
    fn show(&mut self, snapshot: &Snapshot<'_>) {
        let due = snapshot.elapsed.as_secs() / LINE_INTERVAL.as_secs();
        if due > self.written && !snapshot.over {
            self.written = due;
            write(&line(snapshot));
        }
        if let Some(line) = self.new_status(snapshot) {
            write(&line);
        }
    }
}

impl Lines {
    /// The line of a status that differs from the last one.
    fn new_status(&mut self, snapshot: &Snapshot<'_>) -> Option<String> {
        if self.status.as_deref() == snapshot.status {
            return None;
        }
        self.status = snapshot.status.map(str::to_owned);
        snapshot.status.map(|status| format!("{}  {status}", elapsed(snapshot)))
    }
}

/// A closed pipe does not stop the run.
fn write(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn elapsed(snapshot: &Snapshot<'_>) -> String {
    format!("{:>7}", format::span(Duration::from_secs(snapshot.elapsed.as_secs())))
}

fn line(snapshot: &Snapshot<'_>) -> String {
    let recent = Recent::new(snapshot.timeline, snapshot.elapsed, snapshot.over);
    let intervals = snapshot.timeline.intervals();
    let failed: u64 = intervals.iter().map(|interval| interval.ended() - Interval::ok(interval)).sum();
    let done =
        snapshot.done.map(|done| format!(" {:>4}", format!("{:.0}%", done * 100.0))).unwrap_or_default();
    let notes: String = snapshot.notes.iter().map(|(name, value)| format!("  {name} {value}")).collect();
    format!(
        "{}{done}  {:>9}/s  in flight {:<6} p50 {:<8} p99 {:<8} max {:<8} errors {}{notes}",
        elapsed(snapshot),
        format::amount(recent.rate),
        format::amount(recent.in_flight.round()),
        format::latency(recent.latency(0.5)),
        format::latency(recent.latency(0.99)),
        format::latency(recent.max_latency()),
        format::count(failed),
    )
}

#[cfg(test)]
mod tests {
    use inrush_report::fixture;

    use super::*;

    #[test]
    fn a_line_shows_the_last_second() {
        let timeline = fixture::results().timeline;
        let notes = [("sold", "12".to_owned())];
        let elapsed = Duration::from_millis(5_100);
        let snapshot = Snapshot {
            elapsed,
            timeline: &timeline,
            done: Some(0.51),
            notes: &notes,
            status: None,
            over: false,
        };
        let line = line(&snapshot);
        assert!(line.starts_with("    5 s  51%        100/s  in flight 1      p50 5"), "{line}");
        assert!(line.ends_with(" errors 10  sold 12"), "{line}");
    }

    #[test]
    fn a_status_gets_a_line_when_it_changes() {
        let timeline = fixture::results().timeline;
        let elapsed = Duration::from_millis(5_100);
        let snapshot =
            |status| Snapshot { elapsed, timeline: &timeline, done: None, notes: &[], status, over: false };
        let mut lines = Lines::default();
        let of = |status, lines: &mut Lines| lines.new_status(&snapshot(status));
        assert_eq!(of(None, &mut lines), None);
        assert_eq!(of(Some("all sold"), &mut lines).as_deref(), Some("    5 s  all sold"));
        assert_eq!(of(Some("all sold"), &mut lines), None);
        assert_eq!(of(None, &mut lines), None);
        assert_eq!(of(Some("all sold"), &mut lines).as_deref(), Some("    5 s  all sold"));
    }
}
