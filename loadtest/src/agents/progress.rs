//! Which intervals of a run are news.

use std::time::Duration;

use super::{v1::Seen, wire::encoded};
use crate::engine::Progress;

/// What the coordinator knows already.
#[derive(Debug, Default)]
pub(super) struct News {
    until: Duration,
}

impl News {
    /// Intervals that have ended since the last time. None if nothing can be said; an empty message is a sign of life.
    pub(super) fn since(&self, progress: &Progress<'_>) -> Option<Seen> {
        let intervals = progress.timeline.intervals().iter();
        let over =
            intervals.filter(|interval| interval.start >= self.until && interval.start < over(progress));
        let intervals = over.map(encoded).collect::<Result<Vec<_>, _>>().ok()?;
        Some(Seen { intervals })
    }

    /// The coordinator was told.
    pub(super) fn told(&mut self, progress: &Progress<'_>) {
        self.until = self.until.max(over(progress));
    }
}

/// Until when intervals cannot grow any more: each lane tells of an interval during the next one.
fn over(progress: &Progress<'_>) -> Duration {
    let width = progress.timeline.width();
    let whole = progress.elapsed.as_nanos() / width.as_nanos();
    width * u32::try_from(whole.saturating_sub(2)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::INTERVAL,
        measure::{Interval, Timeline},
    };

    #[test]
    fn every_interval_is_told_once_it_is_over() {
        let mut timeline = Timeline::new(INTERVAL);
        let mut news = News::default();
        let mut told = Vec::new();
        for number in 0..20 {
            timeline.add(&Interval::new(INTERVAL * number));
            let progress = Progress { elapsed: INTERVAL * number, timeline: &timeline, over: false };
            let seen = news.since(&progress).unwrap();
            let starts =
                seen.intervals.iter().map(|bytes| serde_json::from_slice::<Interval>(bytes).unwrap().start);
            told.extend(starts);
            news.told(&progress);
        }
        assert_eq!(told, (0..17).map(|number| INTERVAL * number).collect::<Vec<_>>());
    }
}
