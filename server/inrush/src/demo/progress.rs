//! The progress of a run: bars on a terminal, plain lines elsewhere.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use inrush_simulation::sale::{scenario::Scenario, shared::Moment, status::status};

use crate::format::count;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Shows the progress on standard error, so that standard output has only the result.
pub(crate) enum Progress {
    /// Progress bars.
    Bars(Box<Bars>),
    /// Plain lines.
    Lines(Lines),
}

impl Progress {
    /// Bars if standard error is a terminal that can move its cursor, else lines.
    pub(crate) fn new(scenario: &Scenario) -> anyhow::Result<Self> {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stderr().is_terminal() && !dumb {
            Ok(Self::Bars(Box::new(Bars::new(scenario)?)))
        } else {
            Ok(Self::Lines(Lines::default()))
        }
    }

    /// Shows a moment.
    pub(crate) fn show(&mut self, scenario: &Scenario, moment: &Moment) {
        let status = status(scenario, moment);
        match self {
            Self::Bars(bars) => bars.show(moment, status),
            Self::Lines(lines) => lines.show(moment, status),
        }
    }

    /// Shows the last moment permanently.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Bars(bars) => bars.finish(),
            Self::Lines(lines) => lines.finish(),
        }
    }
}

/// Three bars, and below them the status of the sale.
pub(crate) struct Bars {
    asked: ProgressBar,
    waiting: ProgressBar,
    ordered: ProgressBar,
    status: ProgressBar,
}

impl Bars {
    fn new(scenario: &Scenario) -> anyhow::Result<Self> {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = |length: u64, name: &'static str, colour: &str| -> anyhow::Result<ProgressBar> {
            let template = format!(
                "{{prefix:>8}} {{wide_bar:.{colour}}} {{human_pos:>9}} of {{human_len:<9}} {{msg:<14}}"
            );
            let style = ProgressStyle::with_template(&template)?.progress_chars("━╸ ");
            Ok(bars.add(ProgressBar::new(length).with_style(style).with_prefix(name)))
        };
        let asked = bar(u64::from(scenario.buyers), "asked", "cyan")?;
        let waiting = bar(scenario.effective_cap(), "waiting", "yellow")?;
        let ordered = bar(scenario.units, "ordered", "green")?;
        let line = ProgressStyle::with_template("         {wide_msg}")?;
        let status = bars.add(ProgressBar::new(0).with_style(line));
        Ok(Self { asked, waiting, ordered, status })
    }

    fn show(&self, moment: &Moment, status: Option<String>) {
        self.asked.set_position(moment.answered);
        self.asked.set_message(format!("{} refused", count(moment.refused)));
        self.waiting.set_position(moment.waiting);
        self.ordered.set_position(moment.ordered);
        self.ordered.set_message(format!("{:.1} s", moment.at_s));
        self.status.set_message(status.unwrap_or_default());
    }

    fn finish(&self) {
        for bar in [&self.asked, &self.waiting, &self.ordered] {
            bar.abandon();
        }
        self.status.finish_and_clear();
    }
}

/// A line per second while values change, and a line for each new status.
#[derive(Default)]
pub(crate) struct Lines {
    last: Moment,
    /// The last moment that was written.
    written: Moment,
    status: Option<String>,
}

impl Lines {
    fn show(&mut self, moment: &Moment, status: Option<String>) {
        self.last = *moment;
        if moment.at_s - self.written.at_s >= LINE_INTERVAL.as_secs_f64() {
            self.write();
        }
        if status != self.status {
            if let Some(status) = &status {
                write(&format!("{:6.1} s  {status}", moment.at_s));
            }
            self.status = status;
        }
    }

    fn finish(&mut self) {
        self.write();
    }

    fn write(&mut self) {
        let moves = Moment { at_s: self.last.at_s, ..self.written } != self.last;
        if moves {
            let Moment { at_s, answered, waiting, refused, ordered, .. } = self.last;
            let [answered, waiting, refused, ordered] = [answered, waiting, refused, ordered].map(count);
            write(&format!(
                "{at_s:6.1} s  asked {answered}  waiting {waiting}  refused {refused}  ordered {ordered}"
            ));
            self.written = self.last;
        }
    }
}

/// A closed standard error does not stop the run.
fn write(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
