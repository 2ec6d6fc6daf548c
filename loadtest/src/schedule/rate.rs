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
