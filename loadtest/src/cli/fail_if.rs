//! `--fail-if`: the thresholds of every command.

use inrush_report::measure::Results;

use crate::{
    cli::{console::print_error, outcome::Outcome},
    threshold::{self, Breach, Threshold},
};

/// The thresholds of a run.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Thresholds")]
pub(super) struct FailIf {
    /// Exit with 1 if this is true of the run, such as 'p99>5ms', 'errors>0.1%', 'rps<1000' or 'code.Unavailable>10';
    /// may be repeated.
    ///
    /// Metrics: p50, p99.9 and other percentiles, mean, min, max (also as service.p99 and so on: from the
    /// time of sending instead of the planned time); rps, count, errors, late, unsent, code.NAME.
    #[arg(long = "fail-if", value_name = "EXPRESSION")]
    thresholds: Vec<Threshold>,
}

impl FailIf {
    /// Checks a run, and prints the exceeded thresholds to stderr. `count_errors` includes failed calls in the latencies.
    pub(super) fn check(&self, results: &Results, count_errors: bool) -> Outcome {
        outcome(&threshold::check(&self.thresholds, results, count_errors))
    }
}

/// Prints the exceeded thresholds to stderr.
pub(super) fn outcome(breaches: &[Breach]) -> Outcome {
    for breach in breaches {
        print_error(format_args!("failed: {breach}"));
    }
    if breaches.is_empty() { Outcome::Passed } else { Outcome::Failed }
}
