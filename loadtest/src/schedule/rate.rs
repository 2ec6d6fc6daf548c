//! Planned times of an open loop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The number of calls that are due per second, over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RateSchedule {
    /// Constant.
    Constant {
        /// Calls per second.
        rate: f64,
    },
    /// Changes by `step` every `every`.
    Step {
        /// Calls per second at the start.
        start: f64,
        /// Added at every step; may be negative.
        step: f64,
        /// Duration of each step.
        every: Duration,
        /// Final rate.
        end: Option<f64>,
        /// Time of the last change.
        until: Option<Duration>,
    },
    /// Changes continuously by `slope` per second.
    Line {
        /// Calls per second at the start.
        start: f64,
        /// Added per second; may be negative.
        slope: f64,
        /// Final rate.
        end: Option<f64>,
        /// Time of the last change.
        until: Option<Duration>,
    },
}

/// A time span during which the rate is constant or changes linearly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    /// Calls per second at its start.
    rate: f64,
    /// Change of the rate per second.
    slope: f64,
    /// Length in seconds; may be infinite.
    length: f64,
}

impl Segment {
    fn constant(rate: f64, length: f64) -> Self {
        Self { rate: rate.max(0.0), slope: 0.0, length }
    }

    fn forever(rate: f64) -> Self {
        Self::constant(rate, f64::INFINITY)
    }

    /// Number of calls that are due within the segment.
    fn calls(&self) -> f64 {
        if self.length.is_infinite() {
            return if self.rate > 0.0 { f64::INFINITY } else { 0.0 };
        }
        (self.rate + self.slope * self.length / 2.0) * self.length
    }

    /// When call `count` of the segment is due, in seconds after its start: the smaller root of
    /// `rate t + slope t²/2 = count`, in the form that is exact for small slopes.
    fn due(&self, count: f64) -> f64 {
        if count <= 0.0 {
            return 0.0;
        }
        let root = (self.rate * self.rate + 2.0 * self.slope * count).max(0.0).sqrt();
        2.0 * count / (self.rate + root)
    }
}

impl RateSchedule {
    /// The planned times of the calls.
    pub fn times(&self) -> PlannedTimes {
        PlannedTimes {
            schedule: self.clone(),
            next: 1,
            segment: self.segment(0),
            start: 0.0,
            calls_before: 0.0,
        }
    }

    /// The segment with this index.
    fn segment(&self, number: u32) -> Segment {
        match *self {
            Self::Constant { rate } => Segment::forever(rate),
            Self::Step { start, step, every, end, until } => {
                let rate = start + step * f64::from(number);
                let began = every * number;
                let over = until.is_some_and(|until| began >= until);
                match end {
                    Some(end) if over || is_reached(rate, step, end) => Segment::forever(end),
                    None if over || (step <= 0.0 && rate <= 0.0) => Segment::forever(rate),
                    _ => {
                        let left = until.map_or(every, |until| every.min(until.saturating_sub(began)));
                        Segment::constant(rate, left.as_secs_f64())
                    }
                }
            }
            Self::Line { start, slope, end, until } => {
                let length = line_length(start, slope, end, until);
                match number {
                    0 if length > 0.0 => Segment { rate: start, slope, length },
                    _ => Segment::forever(end.unwrap_or(start + slope * length)),
                }
            }
        }
    }
}

/// Seconds until a line becomes constant.
fn line_length(start: f64, slope: f64, end: Option<f64>, until: Option<Duration>) -> f64 {
    let until = until.map_or(f64::INFINITY, |until| until.as_secs_f64());
    let target = end.or((slope < 0.0).then_some(0.0));
    let to_target = target.map_or(f64::INFINITY, |target| ((target - start) / slope).max(0.0));
    until.min(if to_target.is_nan() { 0.0 } else { to_target })
}

fn is_reached(rate: f64, step: f64, end: f64) -> bool {
    if step < 0.0 { rate <= end } else { rate >= end }
}

/// The planned times of calls, in order.
#[derive(Debug, Clone)]
pub struct PlannedTimes {
    schedule: RateSchedule,
    next: u32,
    segment: Segment,
    start: f64,
    calls_before: f64,
}

impl PlannedTimes {
    /// When call `number` (from 0) is due, since the start. `None` if it is never due. Numbers must not decrease.
    #[expect(clippy::cast_precision_loss, reason = "a run has fewer than 2⁵² calls")]
    pub fn due(&mut self, number: u64) -> Option<Duration> {
        let count = number as f64;
        while count >= self.calls_before + self.segment.calls() {
            if self.segment.length.is_infinite() {
                return None;
            }
            self.calls_before += self.segment.calls();
            self.start += self.segment.length;
            self.segment = self.schedule.segment(self.next);
            self.next = self.next.checked_add(1)?;
        }
        Duration::try_from_secs_f64(self.start + self.segment.due(count - self.calls_before)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(schedule: &RateSchedule, numbers: impl IntoIterator<Item = u64>) -> Vec<Option<f64>> {
        let mut times = schedule.times();
        let rounded = |due: Duration| (due.as_secs_f64() * 1e6).round() / 1e6;
        numbers.into_iter().map(|number| times.due(number).map(rounded)).collect()
    }

    #[test]
    fn a_constant_rate_has_equidistant_times() {
        let schedule = RateSchedule::Constant { rate: 4.0 };
        assert_eq!(seconds(&schedule, [0, 1, 2, 400]), [Some(0.0), Some(0.25), Some(0.5), Some(100.0)]);
        assert_eq!(seconds(&RateSchedule::Constant { rate: 0.0 }, [0]), [None]);
    }

    #[test]
    fn steps_rise_to_the_final_rate() {
        let every = Duration::from_secs(1);
        let schedule = RateSchedule::Step { start: 1.0, step: 1.0, every, end: Some(3.0), until: None };
        // One call in the first second, two in the second, then three in each.
        let due = seconds(&schedule, 0..7);
        let expected = [0.0, 1.0, 1.5, 2.0, 2.333_333, 2.666_667, 3.0].map(Some);
        assert_eq!(due, expected);
    }

    #[test]
    fn falling_steps_end_when_the_rate_is_zero() {
        let every = Duration::from_secs(1);
        let schedule = RateSchedule::Step { start: 2.0, step: -1.0, every, end: None, until: None };
        assert_eq!(seconds(&schedule, 0..4), [Some(0.0), Some(0.5), Some(1.0), None]);
    }

    #[test]
    fn a_time_limit_ends_the_change() {
        let schedule = RateSchedule::Step {
            start: 10.0,
            step: 10.0,
            every: Duration::from_secs(1),
            end: None,
            until: Some(Duration::from_millis(1_500)),
        };
        // 10 in the first second, 10 in the half second at 20, then 30 a second.
        assert_eq!(seconds(&schedule, [10, 20, 50]), [Some(1.0), Some(1.5), Some(2.5)]);
    }

    #[test]
    fn a_line_rises_continuously() {
        let schedule = RateSchedule::Line { start: 0.0, slope: 2.0, end: Some(4.0), until: None };
        // t² calls in t seconds until the rate is 4 at two seconds, then 4 a second.
        assert_eq!(seconds(&schedule, [0, 1, 4, 8]), [Some(0.0), Some(1.0), Some(2.0), Some(3.0)]);
    }

    #[test]
    fn a_line_falls_to_zero() {
        let schedule = RateSchedule::Line { start: 4.0, slope: -2.0, end: None, until: None };
        let due = seconds(&schedule, 0..5);
        assert_eq!(due[0], Some(0.0));
        assert!(due[3].is_some_and(|last| last < 2.0));
        assert_eq!(due[4], None);
    }
}
