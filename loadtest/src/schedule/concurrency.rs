//! The number of workers of a closed loop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The number of workers, each of which waits for an answer before its next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConcurrencySchedule {
    /// Constant.
    Constant {
        /// Number of workers.
        workers: u32,
    },
    /// Changes by `step` every `every`.
    Step {
        /// Number of workers at the start.
        start: u32,
        /// Added at every step; may be negative.
        step: i32,
        /// Duration of each step.
        every: Duration,
        /// Final number of workers.
        end: Option<u32>,
        /// Time of the last change.
        until: Option<Duration>,
    },
    /// Changes by `slope` every second.
    Line {
        /// Number of workers at the start.
        start: u32,
        /// Added every second; may be negative.
        slope: i32,
        /// Final number of workers.
        end: Option<u32>,
        /// Time of the last change.
        until: Option<Duration>,
    },
}

/// A line changes once a second.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

impl ConcurrencySchedule {
    /// The number of workers at a time since the start.
    pub fn workers(&self, elapsed: Duration) -> u32 {
        match *self {
            Self::Constant { workers } => workers,
            Self::Step { start, step, every, end, until } => stepped(elapsed, start, step, every, end, until),
            Self::Line { start, slope, end, until } => {
                stepped(elapsed, start, slope, LINE_INTERVAL, end, until)
            }
        }
    }

    /// The maximum number of workers. `None` if only the duration of the run limits it.
    pub fn max(&self) -> Option<u32> {
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

    /// Time between two changes. `None` if it never changes.
    pub fn changes_every(&self) -> Option<Duration> {
        match *self {
            Self::Constant { .. } => None,
            Self::Step { every, .. } => Some(every),
            Self::Line { .. } => Some(LINE_INTERVAL),
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
        assert_eq!((up.max(), down.max()), (Some(12), Some(12)));
    }

    #[test]
    fn a_time_limit_ends_the_change() {
        let until = Some(Duration::from_secs(3));
        let line = ConcurrencySchedule::Line { start: 1, slope: 2, end: None, until };
        let jump = ConcurrencySchedule::Line { start: 1, slope: 2, end: Some(20), until };
        let at =
            |schedule: &ConcurrencySchedule| [0, 2, 3, 9].map(|s| schedule.workers(Duration::from_secs(s)));
        assert_eq!(at(&line), [1, 5, 7, 7]);
        assert_eq!(at(&jump), [1, 5, 20, 20]);
        assert_eq!(line.max(), Some(7));
    }

    #[test]
    fn a_falling_line_ends_at_zero_workers() {
        let line = ConcurrencySchedule::Line { start: 2, slope: -1, end: None, until: None };
        assert_eq!(line.workers(Duration::from_secs(100)), 0);
    }
}
