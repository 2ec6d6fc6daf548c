//! Selects the intervals of a run that were not reported yet.

use std::time::Duration;

use super::{v1, wire::encode};
use crate::engine::Progress;

/// The end of the reported part of the timeline.
#[derive(Debug, Default)]
pub(super) struct ReportedUntil(Duration);

impl ReportedUntil {
    /// The complete intervals after this point. A message without intervals serves as a heartbeat.
    pub(super) fn unreported(&self, progress: &Progress<'_>) -> Option<v1::Progress> {
        let end = complete_until(progress);
        let intervals = progress.timeline.intervals().iter();
        let unreported = intervals.filter(|interval| interval.start >= self.0 && interval.start < end);
        let intervals = unreported.map(encode).collect::<Result<Vec<_>, _>>().ok()?;
        Some(v1::Progress { intervals })
    }

    /// Marks the intervals of [`unreported`](Self::unreported) as reported.
    pub(super) fn advance(&mut self, progress: &Progress<'_>) {
        self.0 = self.0.max(complete_until(progress));
    }
}

/// The end of the complete intervals: each thread reports an interval during the next one.
fn complete_until(progress: &Progress<'_>) -> Duration {
    let width = progress.timeline.width();
    let elapsed = progress.elapsed.as_nanos() / width.as_nanos();
    width * u32::try_from(elapsed.saturating_sub(2)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use inrush_report::measure::{Interval, Timeline};

    use super::*;
    use crate::engine::INTERVAL;

    #[test]
    fn every_interval_is_reported_once_when_it_is_complete() {
        let mut timeline = Timeline::new(INTERVAL);
        let mut until = ReportedUntil::default();
        let mut reported = Vec::new();
        for number in 0..20 {
            timeline.add(&Interval::new(INTERVAL * number));
            let progress = Progress { elapsed: INTERVAL * number, timeline: &timeline, over: false };
            let message = until.unreported(&progress).unwrap();
            let start = |bytes: &bytes::Bytes| serde_json::from_slice::<Interval>(bytes).unwrap().start;
            reported.extend(message.intervals.iter().map(start));
            until.advance(&progress);
        }
        assert_eq!(reported, (0..17).map(|number| INTERVAL * number).collect::<Vec<_>>());
    }
}
