//! Planned times of an open loop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many calls are due per second, and how that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RateSchedule {
    /// The same all the time.
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
        /// How long each step lasts.
        every: Duration,
        /// Where it stays once it is reached.
        end: Option<f64>,
        /// When it stops changing.
        until: Option<Duration>,
    },
    /// Changes by `slope` per second, evenly.
    Line {
        /// Calls per second at the start.
        start: f64,
        /// Added during every second; may be negative.
        slope: f64,
        /// Where it stays once it is reached.
        end: Option<f64>,
        /// When it stops changing.
        until: Option<Duration>,
    },
}

/// A stretch of time during which the rate is the same, or changes evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    /// Calls per second at its start.
    rate: f64,
    /// What is added to the rate during a second.
    slope: f64,
    /// How long it lasts, in seconds; may be infinite.
    length: f64,
}

impl Stretch {
    fn constant(rate: f64, length: f64) -> Self {
        Self { rate: rate.max(0.0), slope: 0.0, length }
    }

    fn forever(rate: f64) -> Self {
        Self::constant(rate, f64::INFINITY)
    }

    /// Calls that are due during all of it.
    fn calls(&self) -> f64 {
        if self.length.is_infinite() {
            return if self.rate > 0.0 { f64::INFINITY } else { 0.0 };
        }
        (self.rate + self.slope * self.length / 2.0) * self.length
    }

    /// When the `count`-th call of it is due, in seconds after its start: the smaller root of
    /// `rate t + slope t²/2 = count`, in the form that stays exact for small slopes.
    fn due(&self, count: f64) -> f64 {
        if count <= 0.0 {
            return 0.0;
        }
        let root = (self.rate * self.rate + 2.0 * self.slope * count).max(0.0).sqrt();
        2.0 * count / (self.rate + root)
    }
}

impl RateSchedule {
    /// The planned times of calls, to be asked for in rising order.
    pub fn times(&self) -> PlannedTimes {
        PlannedTimes {
            schedule: self.clone(),
            next: 1,
            stretch: self.stretch(0),
            start: 0.0,
            calls_before: 0.0,
        }
    }

    /// The stretch of a number.
    fn stretch(&self, number: u32) -> Stretch {
        match *self {
            Self::Constant { rate } => Stretch::forever(rate),
            Self::Step { start, step, every, end, until } => {
                let rate = start + step * f64::from(number);
                let began = every * number;
                let over = until.is_some_and(|until| began >= until);
                match end {
                    Some(end) if over || reached(rate, step, end) => Stretch::forever(end),
                    None if over || (step <= 0.0 && rate <= 0.0) => Stretch::forever(rate),
                    _ => {
                        let left = until.map_or(every, |until| every.min(until.saturating_sub(began)));
                        Stretch::constant(rate, left.as_secs_f64())
                    }
                }
            }
            Self::Line { start, slope, end, until } => {
                let length = line_length(start, slope, end, until);
                match number {
                    0 if length > 0.0 => Stretch { rate: start, slope, length },
                    _ => Stretch::forever(end.unwrap_or(start + slope * length)),
                }
            }
        }
    }
}

/// Seconds until a line stops changing.
fn line_length(start: f64, slope: f64, end: Option<f64>, until: Option<Duration>) -> f64 {
    let until = until.map_or(f64::INFINITY, |until| until.as_secs_f64());
    let target = end.or((slope < 0.0).then_some(0.0));
    let to_target = target.map_or(f64::INFINITY, |target| ((target - start) / slope).max(0.0));
    until.min(if to_target.is_nan() { 0.0 } else { to_target })
}

fn reached(rate: f64, step: f64, end: f64) -> bool {
    if step < 0.0 { rate <= end } else { rate >= end }
}

/// Tells when calls are due.
#[derive(Debug, Clone)]
pub struct PlannedTimes {
    schedule: RateSchedule,
    next: u32,
    stretch: Stretch,
    start: f64,
    calls_before: f64,
}

impl PlannedTimes {
    /// When call `number` (from 0) is due, since the start; none if it never is. Numbers must not fall.
    #[expect(clippy::cast_precision_loss, reason = "a run has fewer than 2⁵² calls")]
    pub fn due(&mut self, number: u64) -> Option<Duration> {
        let count = number as f64;
        while count >= self.calls_before + self.stretch.calls() {
            if self.stretch.length.is_infinite() {
                return None;
            }
            self.calls_before += self.stretch.calls();
            self.start += self.stretch.length;
            self.stretch = self.schedule.stretch(self.next);
            self.next = self.next.checked_add(1)?;
        }
        Duration::try_from_secs_f64(self.start + self.stretch.due(count - self.calls_before)).ok()
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
    fn a_constant_rate_has_even_times() {
        let schedule = RateSchedule::Constant { rate: 4.0 };
        assert_eq!(seconds(&schedule, [0, 1, 2, 400]), [Some(0.0), Some(0.25), Some(0.5), Some(100.0)]);
        assert_eq!(seconds(&RateSchedule::Constant { rate: 0.0 }, [0]), [None]);
    }

    #[test]
    fn steps_go_up_to_the_end_and_stay() {
        let every = Duration::from_secs(1);
        let schedule = RateSchedule::Step { start: 1.0, step: 1.0, every, end: Some(3.0), until: None };
        // One call in the first second, two in the second, then three in each.
        let due = seconds(&schedule, 0..7);
        let expected = [0.0, 1.0, 1.5, 2.0, 2.333_333, 2.666_667, 3.0].map(Some);
        assert_eq!(due, expected);
    }

    #[test]
    fn steps_go_down_until_nothing_is_due() {
        let every = Duration::from_secs(1);
        let schedule = RateSchedule::Step { start: 2.0, step: -1.0, every, end: None, until: None };
        assert_eq!(seconds(&schedule, 0..4), [Some(0.0), Some(0.5), Some(1.0), None]);
    }

    #[test]
    fn a_limit_in_time_stops_the_change() {
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
    fn a_line_rises_evenly() {
        let schedule = RateSchedule::Line { start: 0.0, slope: 2.0, end: Some(4.0), until: None };
        // t² calls in t seconds until the rate is 4 at two seconds, then 4 a second.
        assert_eq!(seconds(&schedule, [0, 1, 4, 8]), [Some(0.0), Some(1.0), Some(2.0), Some(3.0)]);
    }

    #[test]
    fn a_line_falls_to_nothing() {
        let schedule = RateSchedule::Line { start: 4.0, slope: -2.0, end: None, until: None };
        let due = seconds(&schedule, 0..5);
        assert_eq!(due[0], Some(0.0));
        assert!(due[3].is_some_and(|last| last < 2.0));
        assert_eq!(due[4], None);
    }
}
