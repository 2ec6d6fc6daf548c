//! Observes a run while it goes on.

use std::time::{Duration, Instant};

use inrush_report::measure::Timeline;

/// Initial width of the intervals of a timeline.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Time from the moment when all connections are open to the first call, so that no thread starts late.
const START_DELAY: Duration = Duration::from_millis(10);

/// Observes a run.
pub trait Observer {
    /// Called once when all connections are open. Returns the start time of the run.
    fn start_time(&mut self) -> Instant {
        Instant::now() + START_DELAY
    }

    /// Called about four times a second, and once when the run has ended.
    fn on_progress(&mut self, progress: &Progress<'_>);
}

/// The progress of a run.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Time since the start.
    pub elapsed: Duration,
    /// The timeline so far. Its last interval is incomplete.
    pub timeline: &'a Timeline,
    /// The run has ended.
    pub over: bool,
}
