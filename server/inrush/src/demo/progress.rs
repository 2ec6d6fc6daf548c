//! The run as it happens: bars on a terminal, a plain line a second in a pipe.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::counters::Sample;

/// How often a pipe gets a line.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Shows the numbers of a run on standard error, so that standard output holds the result alone.
pub(crate) enum Progress {
    /// Bars that move.
    Bars {
        /// Buyers who have asked.
        asked: ProgressBar,
        /// Tickets waiting in line.
        waiting: ProgressBar,
        /// Units with an order.
        ordered: ProgressBar,
    },
    /// A line now and then.
    Lines {
        /// When the next is due, since the opening.
        next: Duration,
    },
}

impl Progress {
    /// Shows progress towards `buyers` who have asked, of whom `cap` can wait, and `stock` units with an order.
    pub(crate) fn new(buyers: u64, cap: u64, stock: u64) -> anyhow::Result<Self> {
        if !io::stderr().is_terminal() {
            return Ok(Self::Lines { next: Duration::ZERO });
        }
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = |length: u64, name: &'static str, colour: &str| -> anyhow::Result<ProgressBar> {
            let template =
                format!("{{prefix:>8}} {{wide_bar:.{colour}}} {{human_pos:>9}}/{{human_len}} {{msg}}");
            let style = ProgressStyle::with_template(&template)?.progress_chars("━╸ ");
            Ok(bars.add(ProgressBar::new(length).with_style(style).with_prefix(name)))
        };
        Ok(Self::Bars {
            asked: bar(buyers, "asked", "cyan")?,
            waiting: bar(cap, "in line", "yellow")?,
            ordered: bar(stock, "ordered", "green")?,
        })
    }

    /// Shows the numbers of a moment.
    pub(crate) fn show(&mut self, sample: &Sample) {
        match self {
            Self::Bars { asked, waiting, ordered } => {
                asked.set_position(sample.answered);
                asked.set_message(format!("{} refused", sample.refused));
                waiting.set_position(sample.waiting);
                ordered.set_position(sample.ordered);
                ordered.set_message(format!("{:.1} s", sample.at_s));
            }
            Self::Lines { next } => {
                let at = Duration::from_secs_f64(sample.at_s);
                if at >= *next {
                    *next = at + LINE_EVERY;
                    line(sample);
                }
            }
        }
    }

    /// Shows the last numbers and leaves them standing.
    pub(crate) fn finish(&mut self, sample: &Sample) {
        match self {
            Self::Bars { asked, waiting, ordered } => {
                asked.set_position(sample.answered);
                waiting.set_position(sample.waiting);
                ordered.set_position(sample.ordered);
                for bar in [asked, waiting, ordered] {
                    bar.abandon();
                }
            }
            Self::Lines { .. } => line(sample),
        }
    }
}

fn line(sample: &Sample) {
    // A reader that has gone away does not stop the run.
    let _ = writeln!(
        io::stderr(),
        "{:6.1} s  asked {}  in line {}  refused {}  ordered {}",
        sample.at_s,
        sample.answered,
        sample.waiting,
        sample.refused,
        sample.ordered
    );
}
