//! What a view of a run is, and what it shows.

use std::time::Duration;

use inrush_report::measure::Timeline;

/// A run at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// Time since the start.
    pub elapsed: Duration,
    /// The timeline so far.
    pub timeline: &'a Timeline,
    /// The completed share of the run, from 0 to 1, if it is known.
    pub done: Option<f64>,
    /// Further names and values, such as the units sold.
    pub notes: &'a [(&'a str, String)],
    /// What the run waits for, in one sentence, so that a view that does not change explains why.
    pub status: Option<&'a str>,
    /// The run has ended.
    pub over: bool,
}

/// Shows a run.
pub trait View {
    /// Shows a moment of the run. Called about four times a second, and once when the run has ended.
    fn show(&mut self, snapshot: &Snapshot<'_>);
}
