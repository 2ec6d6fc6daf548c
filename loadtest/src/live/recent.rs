//! What a run did just now.

use std::time::Duration;

use crate::measure::{Interval, Timeline};

/// How far back "now" reaches.
const SPAN: Duration = Duration::from_secs(1);

/// What a run did during the last second, or during the last interval where intervals are longer.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    /// Calls per second that ended.
    pub(super) rate: f64,
    /// Calls in flight, on average.
    pub(super) in_flight: f64,
    /// All of it.
    pub(super) sum: Interval,
}

impl Recent {
    /// `until` is where the run is. Unless it is over, the interval that it lies in is not complete, and of the one before
    /// some threads may not have told yet.
    pub(super) fn new(timeline: &Timeline, until: Duration, over: bool) -> Self {
        let width = timeline.width();
        let complete = |interval: &&Interval| over || interval.start + 2 * width <= until;
        let from = timeline
            .intervals()
            .iter()
            .rfind(complete)
            .map_or(Duration::ZERO, |last| (last.start + width).saturating_sub(SPAN.max(width)));
        let mut sum = Interval::new(from);
        let mut time = Duration::ZERO;
        for interval in timeline.intervals().iter().filter(complete).filter(|interval| interval.start >= from)
        {
            sum.merge(interval);
            // The last interval of a run that is over may end early.
            time += width.min(until.saturating_sub(interval.start));
        }
        let seconds = time.as_secs_f64().max(1e-9);
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
        let rate = if time.is_zero() { 0.0 } else { sum.ended() as f64 / seconds };
        let in_flight = if time.is_zero() { 0.0 } else { sum.busy.as_secs_f64() / seconds };
        Self { rate, in_flight, sum }
    }

    /// The latency that this share of the calls did not exceed.
    pub(super) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.sum.latencies.value_at_quantile(quantile))
    }

    /// The greatest latency.
    pub(super) fn slowest(&self) -> Duration {
        Duration::from_micros(self.sum.latencies.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn only_complete_intervals_of_the_last_second_count() {
        let timeline = fixture::results().timeline;
        let recent = Recent::new(&timeline, Duration::from_millis(5_100), false);
        assert_eq!(recent.sum.start, Duration::from_millis(3_750));
        assert!((95.0..105.0).contains(&recent.rate), "{}", recent.rate);
        let before_the_first = Recent::new(&timeline, Duration::from_millis(10), false);
        assert_eq!((before_the_first.rate, before_the_first.in_flight), (0.0, 0.0));
    }
}
