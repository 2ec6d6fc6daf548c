//! How a run went over time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::interval::Interval;

/// Maximum number of intervals of a timeline: when it is full, pairs of them are joined.
pub const MAX_INTERVALS: usize = 600;

/// The intervals of a run, all of the same width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    width: Duration,
    intervals: Vec<Interval>,
}

impl Timeline {
    /// A timeline that begins with intervals of `width`.
    pub fn new(width: Duration) -> Self {
        Self { width: width.max(Duration::from_millis(1)), intervals: Vec::new() }
    }

    /// How long each interval is.
    pub fn width(&self) -> Duration {
        self.width
    }

    /// The intervals, in order and without gaps.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// How many calls were in flight during one of these intervals, on average.
    pub fn mean_in_flight(&self, interval: &Interval) -> f64 {
        interval.busy.as_secs_f64() / self.width.as_secs_f64()
    }

    /// Adds what one thread or machine measured during an interval that lies within one of these.
    pub fn add(&mut self, part: &Interval) {
        let mut place = self.place(part.start);
        while place >= MAX_INTERVALS {
            self.coarsen();
            place = self.place(part.start);
        }
        while self.intervals.len() <= place {
            let number = u32::try_from(self.intervals.len()).unwrap_or(u32::MAX);
            self.intervals.push(Interval::new(self.width * number));
        }
        self.intervals[place].merge(part);
    }

    /// Adds the timeline of another machine that started at the same time.
    pub fn merge(&mut self, mut other: Self) {
        while self.width < other.width {
            self.coarsen();
        }
        while other.width < self.width {
            other.coarsen();
        }
        for interval in &other.intervals {
            self.add(interval);
        }
    }

    fn place(&self, start: Duration) -> usize {
        usize::try_from(start.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    fn coarsen(&mut self) {
        self.width *= 2;
        self.intervals = self
            .intervals
            .chunks(2)
            .map(|pair| {
                let mut joined = pair[0].clone();
                pair[1..].iter().for_each(|next| joined.merge(next));
                joined
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Code;

    #[test]
    fn a_long_run_gets_wider_intervals_and_loses_no_call() {
        let mut timeline = Timeline::new(Duration::from_secs(1));
        for second in 0..5_000 {
            let mut part = Interval::new(Duration::from_secs(second));
            part.count(Code::Ok, Duration::from_millis(1));
            timeline.add(&part);
        }
        assert_eq!(timeline.width(), Duration::from_secs(16));
        assert!(timeline.intervals().len() <= MAX_INTERVALS);
        assert_eq!(timeline.intervals().iter().map(Interval::ended).sum::<u64>(), 5_000);
        for (number, interval) in timeline.intervals().iter().enumerate() {
            assert_eq!(interval.start, Duration::from_secs(16 * number as u64));
        }
    }

    #[test]
    fn timelines_of_two_machines_add_up() {
        let mut short = Timeline::new(Duration::from_secs(1));
        let mut long = Timeline::new(Duration::from_secs(1));
        for second in 0..1_000 {
            let mut part = Interval::new(Duration::from_secs(second));
            part.count(Code::Ok, Duration::from_millis(1));
            long.add(&part);
            if second < 3 {
                short.add(&part);
            }
        }
        short.merge(long);
        assert_eq!(short.intervals().iter().map(Interval::ended).sum::<u64>(), 1_003);
        assert_eq!(short.intervals()[0].ended(), 4);
    }
}
