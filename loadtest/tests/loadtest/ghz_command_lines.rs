//! Command lines of ghz's documentation, against a server that records its calls.
//!
//! A shell runs them with `ghz` as the name of the binary, in a folder with the files that they refer to. Three things
//! differ from the documentation: the address of the server, smaller numbers and shorter times, and ` -O json` if a line has
//! no format, since the checks include the report. Lines without `--insecure` call a server with TLS, whose certificate
//! authority the system trusts.

mod connections;
mod data;
mod load;
mod reports;
mod streams;

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Output,
    thread,
};

use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    called::{Certificates, DynamicServer, Folder, RecordedCall, Setup},
    ghz_report::GhzReport,
};

/// The address of the server in the documentation.
const ADDRESS: &str = "0.0.0.0:50051";

/// Number of concurrent lines.
const CONCURRENT: usize = 4;

/// Minimum number of lines.
const MIN_LINES: usize = 40;

/// A command line with its check.
pub(super) struct Line {
    /// The page and part of the documentation.
    from: &'static str,
    /// The command line, or a shell script.
    line: &'static str,
    /// Standard input.
    input: &'static [u8],
    /// Number of concurrent calls that are required before any is answered.
    gather: u64,
    /// The server requires a client certificate.
    mutual: bool,
    check: fn(&Outcome),
}

impl Line {
    const fn new(from: &'static str, line: &'static str, check: fn(&Outcome)) -> Self {
        Self { from, line, input: b"", gather: 0, mutual: false, check }
    }

    const fn input(mut self, input: &'static [u8]) -> Self {
        self.input = input;
        self
    }

    const fn gathering(mut self, calls: u64) -> Self {
        self.gather = calls;
        self
    }

    const fn mutual(mut self) -> Self {
        self.mutual = true;
        self
    }
}

/// The outcome of a line.
pub(super) struct Outcome {
    output: Output,
    calls: Vec<RecordedCall>,
    max_concurrent: u64,
    connections: usize,
    address: String,
    folder: Folder,
}

impl Outcome {
    fn report(&self) -> GhzReport {
        let text = String::from_utf8_lossy(&self.output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in the report: {text}"))
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// The report of a run in which all calls succeeded and reached the server.
    fn all_succeeded(&self, calls: u64) -> GhzReport {
        let report = self.report();
        assert_eq!(report.count, calls);
        assert_eq!(report.status_code_distribution.get("OK"), Some(&calls), "{report:?}");
        assert_eq!(self.calls.len() as u64, calls);
        assert!(report.fastest <= report.average && report.average <= report.slowest);
        report
    }

    /// A field of the first message of every call, sorted.
    fn values(&self, field: &str) -> Vec<String> {
        let mut values: Vec<String> = self
            .calls
            .iter()
            .map(|call| call.messages[0][field].as_str().unwrap_or_default().to_owned())
            .collect();
        values.sort();
        values
    }

    /// The values of a header in all calls, sorted.
    fn header(&self, name: &str) -> Vec<String> {
        let mut values: Vec<String> = self
            .calls
            .iter()
            .filter_map(|call| call.headers.get(name))
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        values.sort();
        values
    }
}

/// The names in the messages of a call.
fn names(call: &RecordedCall) -> Vec<&str> {
    call.messages.iter().map(|message| message["name"].as_str().unwrap_or_default()).collect()
}

fn is_open(report: &GhzReport) -> bool {
    report.inrush["open_loop"] == Value::Bool(true)
}

#[test]
fn ghz_command_lines_mean_the_same() {
    let lines: Vec<Line> =
        [data::lines(), streams::lines(), load::lines(), connections::lines(), reports::lines()]
            .into_iter()
            .flatten()
            .collect();
    assert!(lines.len() >= MIN_LINES, "{} lines", lines.len());
    let certificates = Certificates::new();
    let pending = Mutex::new(VecDeque::from(lines));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CONCURRENT {
            scope.spawn(|| {
                while let Some(line) = take(&pending) {
                    let outcome = run(&line, &certificates);
                    if catch_unwind(AssertUnwindSafe(|| (line.check)(&outcome))).is_err() {
                        failures.lock().push(describe(&line, &outcome));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "{} lines failed:\n{}", failures.len(), failures.join("\n"));
}

fn take(pending: &Mutex<VecDeque<Line>>) -> Option<Line> {
    pending.lock().pop_front()
}

fn run(line: &Line, certificates: &Certificates) -> Outcome {
    let secure = !line.line.contains("--insecure") && !line.line.contains("--config");
    let server = DynamicServer::start(&Setup {
        tls: secure.then_some(certificates),
        mutual: line.mutual,
        gather: line.gather,
        ..Setup::default()
    });
    let folder = Folder::new(certificates);
    let address = server.address.to_string();
    data::files(&folder, &address);
    let mut script = line.line.replace(ADDRESS, &address);
    let has_format =
        [" -O", "--format", "--config ./with-format"].iter().any(|format| line.line.contains(format));
    if !has_format {
        script.push_str(" -O json");
    }
    let output = folder.run(&script, line.input);
    Outcome {
        output,
        calls: server.calls(),
        max_concurrent: server.max_concurrent(),
        connections: server.connections(),
        address,
        folder,
    }
}

fn describe(line: &Line, outcome: &Outcome) -> String {
    let stderr = String::from_utf8_lossy(&outcome.output.stderr);
    format!(
        "--- {}\n{}\n{}\n{stderr}\ncalls: {}\n",
        line.from,
        line.line,
        outcome.output.status,
        outcome.calls.len()
    )
}
