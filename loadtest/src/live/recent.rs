//! The measurements of the last second.

use std::time::Duration;

use inrush_report::measure::{Interval, Timeline};

/// Length of the window.
const WINDOW: Duration = Duration::from_secs(1);

/// The measurements of the last second, or of the last interval if intervals are longer.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    /// Ended calls per second.
    pub(super) rate: f64,
    /// Mean number of calls in flight.
    pub(super) in_flight: f64,
    /// The sum of the intervals of the window.
    pub(super) sum: Interval,
}

impl Recent {
    /// The measurements at `until`. While the run goes on, the current interval is incomplete, and some threads may not have
    /// reported the one before.
    pub(super) fn new(timeline: &Timeline, until: Duration, over: bool) -> Self {
        let width = timeline.width();
        let is_complete = |interval: &&Interval| over || interval.start + 2 * width <= until;
        let intervals = timeline.intervals().iter();
        let last = intervals.clone().rfind(is_complete);
        let from = last.map_or(Duration::ZERO, |last| (last.start + width).saturating_sub(WINDOW.max(width)));
        let mut sum = Interval::new(from);
        let mut time = Duration::ZERO;
        for interval in intervals.filter(is_complete).filter(|interval| interval.start >= from) {
            sum.merge(interval);
            // The last interval of a run may be shorter than the others.
            time += width.min(until.saturating_sub(interval.start));
        }
        let seconds = time.as_secs_f64().max(1e-9);
        #[expect(clippy::cast_precision_loss, reason = "the rate is only displayed")]
        let rate = if time.is_zero() { 0.0 } else { sum.ended() as f64 / seconds };
        let in_flight = if time.is_zero() { 0.0 } else { sum.busy.as_secs_f64() / seconds };
        Self { rate, in_flight, sum }
    }

    /// The latency at a quantile.
    pub(super) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.sum.latencies.value_at_quantile(quantile))
    }

    /// The maximum latency.
    pub(super) fn max_latency(&self) -> Duration {
        Duration::from_micros(self.sum.latencies.max())
    }
}

#[cfg(test)]
mod tests {
    use inrush_report::fixture;

    use super::*;

    #[test]
    fn only_complete_intervals_of_the_last_second_are_counted() {
        let timeline = fixture::results().timeline;
        let recent = Recent::new(&timeline, Duration::from_millis(5_100), false);
        assert_eq!(recent.sum.start, Duration::from_millis(3_750));
        assert!((95.0..105.0).contains(&recent.rate), "{}", recent.rate);
        let before_the_first = Recent::new(&timeline, Duration::from_millis(10), false);
        assert_eq!((before_the_first.rate, before_the_first.in_flight), (0.0, 0.0));
    }
}
