//! `--fail-if`: the thresholds of every command.

use crate::{
    cli::Verdict,
    measure::Results,
    threshold::{Breach, Threshold, check},
};

/// The thresholds that a run has to keep.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Verdict")]
pub struct FailIf {
    /// Exit with 1 if this is true of the run, such as 'p99>5ms', 'errors>0.1%', 'rps<1000' or 'code.Unavailable>10';
    /// may be repeated.
    ///
    /// Figures: p50, p99.9 and other percentiles, mean, min, max (also as service.p99 and so on: from the sending
    /// instead of the planned time); rps, count, errors, late, unsent, code.NAME.
    #[arg(long = "fail-if", value_name = "EXPRESSION")]
    thresholds: Vec<Threshold>,
}

impl FailIf {
    /// Judges a run, and says on stderr which thresholds it did not keep. `count_errors` tells whether latencies are
    /// of failed calls as well.
    pub fn judge(&self, results: &Results, count_errors: bool) -> Verdict {
        verdict(&check(&self.thresholds, results, count_errors))
    }
}

/// Says on stderr which thresholds were not kept.
pub(super) fn verdict(breaches: &[Breach]) -> Verdict {
    for breach in breaches {
        eprintln!("failed: {breach}");
    }
    if breaches.is_empty() { Verdict::Passed } else { Verdict::Failed }
}
