//! A run while it goes on: drawn on a terminal, told in plain lines where stderr is something else. Stdout is left to
//! the report.

mod dashboard;
mod heat;
mod lines;
mod recent;
mod terminal;

use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use crate::{
    engine::{Observer, Progress, Stop},
    measure::Timeline,
};

/// Where a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Drawn on the terminal that stderr is.
    Terminal,
    /// In plain lines on stderr, one a second.
    Lines,
    /// Nowhere.
    Off,
}

impl Mode {
    /// What fits stderr, unless nothing is wanted.
    pub fn fitting(quiet: bool) -> Self {
        match (quiet, stderr().is_terminal()) {
            (true, _) => Self::Off,
            (false, true) => Self::Terminal,
            (false, false) => Self::Lines,
        }
    }
}

/// A moment of a run.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Since the start.
    pub elapsed: Duration,
    /// How the run went so far.
    pub timeline: &'a Timeline,
    /// How much of it is done, from 0 to 1, if that is known.
    pub done: Option<f64>,
    /// What else there is to tell, such as how much is sold: a name and a value each.
    pub notes: &'a [(&'a str, String)],
    /// The run is over.
    pub over: bool,
}

/// Shows a run.
pub trait View {
    /// Shows a moment. Called about four times a second, and once when the run is over.
    fn show(&mut self, scene: &Scene<'_>);
}

/// The view of a run with a title, such as the name of the method.
pub fn view(title: &str, mode: Mode) -> Box<dyn View> {
    match mode {
        Mode::Off => Box::new(Nowhere),
        Mode::Lines => Box::new(lines::Lines::default()),
        // A terminal that cannot be drawn on can still be written to.
        Mode::Terminal => match terminal::Terminal::open(title) {
            Ok(terminal) => Box::new(terminal),
            Err(_) => Box::new(lines::Lines::default()),
        },
    }
}

/// Shows the calls of a run that ends by `stop`.
pub fn observer(title: &str, stop: Stop, mode: Mode) -> Box<dyn Observer> {
    Box::new(Watch { view: view(title, mode), stop })
}

struct Nowhere;

impl View for Nowhere {
    fn show(&mut self, _: &Scene<'_>) {}
}

struct Watch {
    view: Box<dyn View>,
    stop: Stop,
}

impl Observer for Watch {
    fn see(&mut self, progress: &Progress<'_>) {
        let Progress { elapsed, timeline, over, .. } = *progress;
        let done = done(self.stop, elapsed, timeline);
        self.view.show(&Scene { elapsed, timeline, done, notes: &[], over });
    }
}

/// How much of a run is done: what ends it first is what counts.
#[expect(clippy::cast_precision_loss, reason = "a share is shown")]
fn done(stop: Stop, elapsed: Duration, timeline: &Timeline) -> Option<f64> {
    let of_time = stop.duration.map(|duration| elapsed.as_secs_f64() / duration.as_secs_f64().max(1e-9));
    let ended: u64 = timeline.intervals().iter().map(crate::measure::Interval::ended).sum();
    let of_calls = stop.calls.map(|calls| ended as f64 / calls.max(1) as f64);
    let both = of_time.into_iter().chain(of_calls);
    both.reduce(f64::max).map(|share| share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::AtDuration, report::fixture};

    #[test]
    fn what_ends_a_run_first_tells_how_much_is_done() {
        let timeline = fixture::results().timeline;
        let stop = |calls, duration| Stop { calls, duration, at_duration: AtDuration::Close };
        let at = |stop| done(stop, Duration::from_secs(10), &timeline);
        assert_eq!(at(stop(None, None)), None);
        assert_eq!(at(stop(Some(2_000), Some(Duration::from_secs(100)))), Some(0.5));
        assert_eq!(at(stop(Some(2_000), Some(Duration::from_secs(11)))).map(|share| share > 0.9), Some(true));
    }
}
