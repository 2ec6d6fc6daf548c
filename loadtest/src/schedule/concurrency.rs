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
