//! Reads a run from its JSON report, of this program or of ghz.

use std::{fs, path::Path, time::Duration};

use inrush_report::{Measured, Part, measure::Code};
use inrush_transport::Error;
use serde::Deserialize;
use serde_json::Value;

use super::{
    ghz,
    pieces::{Piece, Pieces},
    run::{Run, RunKind},
};

/// The fields that are read of a report.
#[derive(Deserialize)]
struct ReportFile {
    inrush: Option<Value>,
    #[serde(flatten)]
    ghz: ghz::Fields,
}

/// Reads a report.
///
/// # Errors
/// If the file cannot be read, or does not contain a run that can be compared.
pub fn read(path: &Path) -> Result<Run, Error> {
    let invalid = |what: String, remedy: &str| Error::new(format!("{}: {what}", path.display()), remedy);
    let text = fs::read(path).map_err(|error| invalid(error.to_string(), "name a JSON report of a run"))?;
    let remedy = "name a report that was written with -O json or -O pretty";
    let file: ReportFile =
        serde_json::from_slice(&text).map_err(|error| invalid(error.to_string(), remedy))?;
    let call = file.ghz.call().to_owned();
    match file.inrush {
        Some(measured) => {
            let measured: Measured = serde_json::from_value(measured)
                .map_err(|error| invalid(format!("field inrush: {error}"), remedy))?;
            Ok(run(&measured, call))
        }
        None => file.ghz.run(call).ok_or_else(|| {
            invalid(
                "it has neither the field inrush nor details of calls".to_owned(),
                "repeat the run with inrush-loadtest and -O json",
            )
        }),
    }
}

fn run(measured: &Measured, call: String) -> Run {
    let mut latencies = measured.ok.from_planned.hdr.clone();
    let failed = &measured.failed.from_planned.hdr;
    for step in failed.iter_recorded() {
        latencies.saturating_record_n(step.value_iterated_to(), step.count_at_value());
    }
    let nanoseconds = Duration::from_nanos;
    let (width, warm_up, took) =
        (nanoseconds(measured.timeline.width), nanoseconds(measured.warm_up), nanoseconds(measured.took));
    let is_complete = |part: &&Part| {
        let start = nanoseconds(part.start);
        start >= warm_up && start + width <= took
    };
    let pieces = measured.timeline.intervals.iter().filter(is_complete).map(piece).collect::<Vec<Piece>>();
    Run {
        kind: RunKind { call, open_loop: Some(measured.open_loop) },
        count: latencies.len(),
        failed: failed.len(),
        counted_for: took.saturating_sub(warm_up),
        latencies,
        pieces: Pieces::new(width, &pieces),
    }
}

fn piece(part: &Part) -> Piece {
    let ok = part.codes.get(Code::Ok.name()).copied().unwrap_or(0);
    let steps = part.hdr.iter_recorded();
    Piece {
        failed: part.ended.saturating_sub(ok),
        latencies: steps.map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use inrush_report::Format;

    use super::*;
    use crate::threshold::Metric;

    fn read_text(text: &[u8]) -> Result<Run, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_written_report_is_read_back() {
        let mut bytes = Vec::new();
        inrush_report::write(&inrush_report::fixture::report(), Format::Json, &mut bytes).unwrap();
        let run = read_text(&bytes).unwrap();
        assert_eq!((run.count, run.failed), (1_000, 10));
        assert_eq!(run.pieces.len(), 40);
        assert_eq!(run.pieces.count(), 1_000);
        assert_eq!(run.kind, RunKind { call: "greet.Greeter.Hello".to_owned(), open_loop: Some(true) });
        assert_eq!(run.value(Metric::Rate), Some(100.0));
        assert_eq!(run.value(Metric::Errors), Some(0.01));
    }

    #[test]
    fn a_file_that_cannot_be_compared_is_an_error_with_its_name() {
        for (text, message) in [
            ("", "a.json: EOF"),
            ("[]", "a.json: invalid"),
            ("{\"count\": 1, \"total\": 5}", "a.json: it has neither"),
            ("{\"inrush\": {\"version\": 1}}", "a.json: field inrush:"),
            ("{\"details\": []}", "a.json: it has neither"),
        ] {
            let error = read_text(text.as_bytes()).unwrap_err();
            assert!(error.wrong().contains(message), "{text}: {error}");
        }
        let missing = read(Path::new("nowhere/a.json")).unwrap_err();
        assert!(missing.wrong().starts_with("nowhere/a.json: "), "{missing}");
    }
}
