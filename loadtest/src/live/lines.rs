//! Plain lines, for pipes and logs.

use std::{
    io::{Write as _, stderr},
    time::Duration,
};

use super::{Scene, View, recent::Recent};
use crate::{measure::Interval, report::figure};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Writes a line on stderr every second.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// How many lines were due so far.
    written: u64,
}

impl View for Lines {
    fn show(&mut self, scene: &Scene<'_>) {
        let due = scene.elapsed.as_secs() / EVERY.as_secs();
        if due > self.written && !scene.over {
            self.written = due;
            // Nobody may be reading any more; the run goes on.
            let _ = writeln!(stderr(), "{}", line(scene));
        }
    }
}

fn line(scene: &Scene<'_>) -> String {
    let recent = Recent::new(scene.timeline, scene.elapsed, scene.over);
    let failed: u64 = scene.timeline.intervals().iter().map(|part| part.ended() - Interval::ok(part)).sum();
    let done = scene.done.map(|done| format!(" {:>4}", format!("{:.0}%", done * 100.0))).unwrap_or_default();
    let notes: String = scene.notes.iter().map(|(name, value)| format!("  {name} {value}")).collect();
    format!(
        "{:>7}{done}  {:>9}/s  in flight {:<6} p50 {:<8} p99 {:<8} max {:<8} errors {}{notes}",
        figure::span(Duration::from_secs(scene.elapsed.as_secs())),
        figure::amount(recent.rate),
        figure::amount(recent.in_flight.round()),
        figure::latency(recent.latency(0.5)),
        figure::latency(recent.latency(0.99)),
        figure::latency(recent.slowest()),
        figure::count(failed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_line_tells_the_last_second() {
        let timeline = fixture::results().timeline;
        let notes = [("sold", "12".to_owned())];
        let elapsed = Duration::from_millis(5_100);
        let scene = Scene { elapsed, timeline: &timeline, done: Some(0.51), notes: &notes, over: false };
        let line = line(&scene);
        assert!(line.starts_with("    5 s  51%        100/s  in flight 1      p50 5"), "{line}");
        assert!(line.ends_with(" errors 10  sold 12"), "{line}");
    }
}
