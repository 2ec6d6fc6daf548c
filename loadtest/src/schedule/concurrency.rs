//! How many calls a closed loop keeps in flight.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many workers call, each waiting for its answer before it calls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConcurrencySchedule {
    /// The same all the time.
    Constant {
        /// How many.
        workers: u32,
    },
    /// Changes by `step` every `every`.
    Step {
        /// How many at the start.
        start: u32,
        /// Added at every step; may be negative.
        step: i32,
        /// How long each step lasts.
        every: Duration,
        /// Where it stays once it is reached.
        end: Option<u32>,
        /// When it stops changing.
        until: Option<Duration>,
    },
    /// Changes by `slope` per second, one by one.
    Line {
        /// How many at the start.
        start: u32,
        /// Added during every second; may be negative.
        slope: i32,
        /// Where it stays once it is reached.
        end: Option<u32>,
        /// When it stops changing.
        until: Option<Duration>,
    },
}

/// A change of a line happens once a second.
const LINE_EVERY: Duration = Duration::from_secs(1);

impl ConcurrencySchedule {
    /// How many workers call at a time, since the start.
    pub fn workers(&self, elapsed: Duration) -> u32 {
        match *self {
            Self::Constant { workers } => workers,
            Self::Step { start, step, every, end, until } => stepped(elapsed, start, step, every, end, until),
            Self::Line { start, slope, end, until } => stepped(elapsed, start, slope, LINE_EVERY, end, until),
        }
    }

    /// The most workers that ever call at once; none if there is no limit but time's.
    pub fn most(&self) -> Option<u32> {
        match *self {
            Self::Constant { workers } => Some(workers),
            Self::Step { start, step, end, until, .. } | Self::Line { start, slope: step, end, until } => {
                match (end, until) {
                    _ if step <= 0 => Some(start.max(end.unwrap_or(0))),
                    (Some(end), _) => Some(start.max(end)),
                    (None, Some(until)) => Some(self.workers(until)),
                    (None, None) => None,
                }
            }
        }
    }

    /// How often it can change; none: never.
    pub fn changes_every(&self) -> Option<Duration> {
        match *self {
            Self::Constant { .. } => None,
            Self::Step { every, .. } => Some(every),
            Self::Line { .. } => Some(LINE_EVERY),
        }
    }
}

fn stepped(
    elapsed: Duration,
    start: u32,
    step: i32,
    every: Duration,
    end: Option<u32>,
    until: Option<Duration>,
) -> u32 {
    if let (Some(end), Some(until)) = (end, until)
        && elapsed >= until
    {
        return end;
    }
    let changing = until.map_or(elapsed, |until| elapsed.min(until));
    let steps = changing.as_nanos() / every.as_nanos().max(1);
    let change = i64::from(step).saturating_mul(i64::try_from(steps).unwrap_or(i64::MAX));
    let workers = i64::from(start).saturating_add(change);
    let workers = match end.map(i64::from) {
        Some(end) if step < 0 => workers.max(end),
        Some(end) => workers.min(end),
        None => workers,
    };
    u32::try_from(workers.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stop_at_the_end_in_both_directions() {
        let every = Duration::from_secs(5);
        let up = ConcurrencySchedule::Step { start: 5, step: 5, every, end: Some(12), until: None };
        let down = ConcurrencySchedule::Step { start: 12, step: -5, every, end: Some(4), until: None };
        let at = |schedule: &ConcurrencySchedule| {
            [0, 4, 5, 10, 60].map(|s| schedule.workers(Duration::from_secs(s)))
        };
        assert_eq!(at(&up), [5, 5, 10, 12, 12]);
        assert_eq!(at(&down), [12, 12, 7, 4, 4]);
        assert_eq!((up.most(), down.most()), (Some(12), Some(12)));
    }

    #[test]
    fn a_limit_in_time_stops_the_change() {
        let until = Some(Duration::from_secs(3));
        let line = ConcurrencySchedule::Line { start: 1, slope: 2, end: None, until };
        let jump = ConcurrencySchedule::Line { start: 1, slope: 2, end: Some(20), until };
        let at =
            |schedule: &ConcurrencySchedule| [0, 2, 3, 9].map(|s| schedule.workers(Duration::from_secs(s)));
        assert_eq!(at(&line), [1, 5, 7, 7]);
        assert_eq!(at(&jump), [1, 5, 20, 20]);
        assert_eq!(line.most(), Some(7));
    }

    #[test]
    fn nobody_is_left_of_a_falling_line() {
        let line = ConcurrencySchedule::Line { start: 2, slope: -1, end: None, until: None };
        assert_eq!(line.workers(Duration::from_secs(100)), 0);
    }
}
