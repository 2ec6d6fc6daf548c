//! Shows a run on stderr while it goes on: as a dashboard on a terminal, as plain lines otherwise. Stdout is reserved
//! for the report.

mod dashboard;
mod lines;
mod recent;
mod terminal;
mod view;

use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use inrush_report::measure::{Interval, Timeline};

use crate::engine::{Observer, Progress, Stop};

pub use view::{Snapshot, View};

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As a dashboard on the terminal.
    Terminal,
    /// One plain line per second.
    Lines,
    /// Not at all.
    Off,
}

impl Mode {
    /// The mode that fits stderr; off if `quiet`. A terminal without cursor control (`TERM=dumb`) gets lines.
    pub fn detect(quiet: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match (quiet, stderr().is_terminal() && !is_dumb) {
            (true, _) => Self::Off,
            (false, true) => Self::Terminal,
            (false, false) => Self::Lines,
        }
    }
}

/// A view with a title, such as the name of the method.
pub fn view(title: &str, mode: Mode) -> Box<dyn View> {
    match mode {
        Mode::Off => Box::new(Hidden),
        Mode::Lines => Box::new(lines::Lines::default()),
        // Without a known size there is no dashboard, but lines still work.
        Mode::Terminal => match terminal::Terminal::open(title) {
            Ok(terminal) => Box::new(terminal),
            Err(_) => Box::new(lines::Lines::default()),
        },
    }
}

/// An observer that shows a run in a view. `stop` determines how far the run is.
pub fn observer(title: &str, stop: Stop, mode: Mode) -> Box<dyn Observer> {
    Box::new(ViewObserver { view: view(title, mode), stop })
}

struct Hidden;

impl View for Hidden {
    fn show(&mut self, _: &Snapshot<'_>) {}
}

struct ViewObserver {
    view: Box<dyn View>,
    stop: Stop,
}

impl Observer for ViewObserver {
    fn on_progress(&mut self, progress: &Progress<'_>) {
        let Progress { elapsed, timeline, over, .. } = *progress;
        let done = done(self.stop, elapsed, timeline);
        self.view.show(&Snapshot { elapsed, timeline, done, notes: &[], status: None, over });
    }
}

/// The completed share of a run, by the limit that is reached first.
#[expect(clippy::cast_precision_loss, reason = "the share is only displayed")]
fn done(stop: Stop, elapsed: Duration, timeline: &Timeline) -> Option<f64> {
    let by_time = stop.duration.map(|duration| elapsed.as_secs_f64() / duration.as_secs_f64().max(1e-9));
    let ended: u64 = timeline.intervals().iter().map(Interval::ended).sum();
    let by_calls = stop.calls.map(|calls| ended as f64 / calls.max(1) as f64);
    by_time.into_iter().chain(by_calls).reduce(f64::max).map(|share| share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use inrush_report::fixture;

    use super::*;
    use crate::engine::AtDuration;

    #[test]
    fn progress_follows_the_limit_that_is_reached_first() {
        let timeline = fixture::results().timeline;
        let stop = |calls, duration| Stop { calls, duration, at_duration: AtDuration::Close };
        let at = |stop| done(stop, Duration::from_secs(10), &timeline);
        assert_eq!(at(stop(None, None)), None);
        assert_eq!(at(stop(Some(2_000), Some(Duration::from_secs(100)))), Some(0.5));
        assert_eq!(at(stop(Some(2_000), Some(Duration::from_secs(11)))).map(|share| share > 0.9), Some(true));
    }
}
