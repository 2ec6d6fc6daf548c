//! A run as it is read back from its JSON report.

use std::{fs, path::Path, time::Duration};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::Value;

use super::{
    ghz,
    pieces::{Piece, Pieces},
};
use crate::{
    problem::Problem,
    report::{Measured, Part},
    threshold::{Figure, Statistic},
};

/// What there is to compare of a run. Latencies are of all calls, since it is all calls that pieces of a run hold.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it was: the method, and how the calls were made.
    pub kind: Kind,
    /// Calls that ended.
    pub(super) count: u64,
    /// Calls that failed.
    pub(super) failed: u64,
    /// How long calls were counted.
    pub(super) counted_for: Duration,
    /// From the planned time, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// In the order of time.
    pub(super) pieces: Pieces,
}

/// What must be the same for a comparison to mean something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The method.
    pub call: String,
    /// Whether calls had planned times, if that is known.
    pub open_loop: Option<bool>,
}

/// The parts of a report that are read whoever wrote it.
#[derive(Deserialize)]
struct File {
    inrush: Option<Value>,
    #[serde(flatten)]
    ghz: ghz::Fields,
}

impl Run {
    /// Reads a report.
    ///
    /// # Errors
    /// When it cannot be read, or holds nothing that can be compared.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let named = |what: String, remedy: &str| Problem::new(format!("{}: {what}", path.display()), remedy);
        let text = fs::read(path).map_err(|error| named(error.to_string(), "name a JSON report of a run"))?;
        let remedy = "name a report that was written with -O json or -O pretty";
        let file: File = serde_json::from_slice(&text).map_err(|error| named(error.to_string(), remedy))?;
        let call = file.ghz.call().to_owned();
        match file.inrush {
            Some(measured) => {
                let measured = serde_json::from_value(measured);
                let measured: Measured =
                    measured.map_err(|error| named(format!("field inrush: {error}"), remedy))?;
                Ok(Self::of(&measured, call))
            }
            None => file.ghz.run(call).ok_or_else(|| {
                named(
                    "it has neither the field inrush nor details of calls".to_owned(),
                    "make the run again with inrush-loadtest and -O json",
                )
            }),
        }
    }

    fn of(measured: &Measured, call: String) -> Self {
        let mut latencies = measured.ok.from_planned.hdr.clone();
        let failed = &measured.failed.from_planned.hdr;
        for step in failed.iter_recorded() {
            latencies.saturating_record_n(step.value_iterated_to(), step.count_at_value());
        }
        let nanoseconds = Duration::from_nanos;
        let (width, warm_up, took) =
            (nanoseconds(measured.timeline.width), nanoseconds(measured.warm_up), nanoseconds(measured.took));
        let complete = |part: &&Part| {
            let start = nanoseconds(part.start);
            start >= warm_up && start + width <= took
        };
        let pieces = measured.timeline.intervals.iter().filter(complete).map(piece).collect::<Vec<Piece>>();
        Self {
            kind: Kind { call, open_loop: Some(measured.open_loop) },
            count: latencies.len(),
            failed: failed.len(),
            counted_for: took.saturating_sub(warm_up),
            latencies,
            pieces: Pieces::new(width, &pieces),
        }
    }

    /// The value of a figure; none where there are no calls that it could be of.
    #[expect(clippy::cast_precision_loss, reason = "figures have three digits")]
    pub(super) fn value(&self, figure: Figure) -> Option<f64> {
        if self.latencies.is_empty() {
            return None;
        }
        match figure {
            Figure::Rate => Some(self.count as f64 / self.counted_for.as_secs_f64().max(1e-9)),
            Figure::Errors => Some(self.failed as f64 / self.count as f64),
            Figure::Latency(_, statistic) => Some(self.latency(statistic) / 1e9),
            Figure::Count | Figure::Late | Figure::Unsent | Figure::Code(_) => None,
        }
    }

    /// In how many pieces calls exceed a percentile.
    pub(super) fn places_beyond(&self, quantile: f64) -> usize {
        // Where latencies are told apart less finely, what is about the percentile is not beyond it.
        let limit = self.latencies.value_at_quantile(quantile) / 1_000 * 102 / 100;
        self.pieces.places_beyond(limit)
    }

    #[expect(clippy::cast_precision_loss, reason = "figures have three digits")]
    fn latency(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Quantile(quantile) => self.latencies.value_at_quantile(quantile) as f64,
            Statistic::Mean => self.latencies.mean(),
            Statistic::Least => self.latencies.min() as f64,
            Statistic::Greatest => self.latencies.max() as f64,
        }
    }
}

fn piece(part: &Part) -> Piece {
    let ok = part.codes.get(crate::measure::Code::Ok.name()).copied().unwrap_or(0);
    let steps = part.hdr.iter_recorded();
    Piece {
        failed: part.ended.saturating_sub(ok),
        latencies: steps.map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{self, Format};

    fn read(text: &[u8]) -> Result<Run, Problem> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, text).unwrap();
        Run::read(&path)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut bytes = Vec::new();
        report::write(&report::fixture::report(), Format::Json, &mut bytes).unwrap();
        let run = read(&bytes).unwrap();
        assert_eq!((run.count, run.failed), (1_000, 10));
        assert_eq!(run.pieces.len(), 40);
        assert_eq!(run.pieces.count(), 1_000);
        assert_eq!(run.kind, Kind { call: "greet.Greeter.Hello".to_owned(), open_loop: Some(true) });
        assert_eq!(run.value(Figure::Rate), Some(100.0));
        assert_eq!(run.value(Figure::Errors), Some(0.01));
    }

    #[test]
    fn what_cannot_be_compared_is_told_with_its_file() {
        for (text, wrong) in [
            ("", "a.json: EOF"),
            ("[]", "a.json: invalid"),
            ("{\"count\": 1, \"total\": 5}", "a.json: it has neither"),
            ("{\"inrush\": {\"version\": 1}}", "a.json: field inrush:"),
            ("{\"details\": []}", "a.json: it has neither"),
        ] {
            let problem = read(text.as_bytes()).unwrap_err();
            assert!(problem.wrong().contains(wrong), "{text}: {problem}");
        }
        let missing = Run::read(Path::new("nowhere/a.json")).unwrap_err();
        assert!(missing.wrong().starts_with("nowhere/a.json: "), "{missing}");
    }
}
