//! Command lines of ghz's documentation, run as they are there, against a server that says what it saw.
//!
//! They are given to a shell with `ghz` as the name of our binary, in a folder that has the files which they name. Three
//! things are put in their place: the address of the server, larger numbers and longer times by such as a test can wait
//! for, and ` -O json` behind a line that asks for no format, since the table is about what the report says as well.
//! Lines without `--insecure` are served with TLS, by an authority that the system trusts.

mod connections;
mod data;
mod load;
mod reports;
mod streams;

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Output,
    sync::Mutex,
    thread,
};

use serde_json::Value;

use crate::{
    called::{Called, Certificates, Folder, Seen, Setup},
    ghz_report::GhzReport,
};

/// What documentation has for the server's address.
const ADDRESS: &str = "0.0.0.0:50051";

/// How many lines are run at once.
const AT_ONCE: usize = 4;

/// How many lines are to be shown at least.
const LEAST: usize = 40;

/// A command line, and what must come of it.
pub(super) struct Line {
    /// Where it is from: a page of the documentation, and a part of it.
    from: &'static str,
    /// The line, or several of a shell script.
    line: &'static str,
    /// Standard input.
    input: &'static [u8],
    /// The server answers no call until so many are there at once.
    gather: u64,
    /// It takes only clients with a certificate.
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

/// What came of a line.
pub(super) struct Outcome {
    output: Output,
    calls: Vec<Seen>,
    most_at_once: u64,
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

    /// The report after so many calls, all of which went well and reached the server.
    fn all_well(&self, calls: u64) -> GhzReport {
        let report = self.report();
        assert_eq!(report.count, calls);
        assert_eq!(report.status_code_distribution.get("OK"), Some(&calls), "{report:?}");
        assert_eq!(self.calls.len() as u64, calls);
        assert!(report.fastest <= report.average && report.average <= report.slowest);
        report
    }

    /// The first message of every call, by a field; sorted.
    fn values(&self, field: &str) -> Vec<String> {
        let mut values: Vec<String> = self
            .calls
            .iter()
            .map(|call| call.messages[0][field].as_str().unwrap_or_default().to_owned())
            .collect();
        values.sort();
        values
    }

    /// The values of a header in all calls; sorted.
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
fn names(call: &Seen) -> Vec<&str> {
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
    assert!(lines.len() >= LEAST, "{} lines", lines.len());
    let certificates = Certificates::new();
    let waiting = Mutex::new(VecDeque::from(lines));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(line) = take(&waiting) {
                    let outcome = run(&line, &certificates);
                    if catch_unwind(AssertUnwindSafe(|| (line.check)(&outcome))).is_err() {
                        failures.lock().unwrap().push(told(&line, &outcome));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} lines failed:\n{}", failures.len(), failures.join("\n"));
}

fn take(waiting: &Mutex<VecDeque<Line>>) -> Option<Line> {
    waiting.lock().unwrap().pop_front()
}

fn run(line: &Line, certificates: &Certificates) -> Outcome {
    let secure = !line.line.contains("--insecure") && !line.line.contains("--config");
    let server = Called::start(&Setup {
        tls: secure.then_some(certificates),
        mutual: line.mutual,
        gather: line.gather,
        ..Setup::default()
    });
    let folder = Folder::new(certificates);
    let address = server.address.to_string();
    data::files(&folder, &address);
    let mut script = line.line.replace(ADDRESS, &address);
    let asks = [" -O", "--format", "--config ./with-format"].iter().any(|format| line.line.contains(format));
    if !asks {
        script.push_str(" -O json");
    }
    let output = folder.run(&script, line.input);
    Outcome {
        output,
        calls: server.calls(),
        most_at_once: server.most_at_once(),
        connections: server.connections(),
        address,
        folder,
    }
}

fn told(line: &Line, outcome: &Outcome) -> String {
    let stderr = String::from_utf8_lossy(&outcome.output.stderr);
    format!(
        "--- {}\n{}\n{}\n{stderr}\ncalls seen: {}\n",
        line.from,
        line.line,
        outcome.output.status,
        outcome.calls.len()
    )
}
