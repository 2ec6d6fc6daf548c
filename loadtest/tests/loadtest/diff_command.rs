//! The command `diff`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use inrush_report::Format;
use serde_json::{Value, json};

use crate::rush::Rush;

/// Writes the report of a run into a folder.
fn report(folder: &Path, name: &str, rush: &Rush) -> PathBuf {
    let path = folder.join(name);
    let mut file = fs::File::create(&path).unwrap();
    inrush_report::write(&rush.report(), Format::Json, &mut file).unwrap();
    path
}

fn diff(before: &Path, after: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inrush-loadtest"));
    command.arg("diff").args([before, after]).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_slower_run_fails_and_an_equal_run_passes() {
    let folder = tempfile::tempdir().unwrap();
    let before = report(folder.path(), "a.json", &Rush::default());
    let same = report(folder.path(), "b.json", &Rush { seed: 2, ..Rush::default() });
    let slower = report(folder.path(), "c.json", &Rush { seed: 3, slower: 1.1, ..Rush::default() });
    let limits = ["--fail-if", "p50>+5%", "--fail-if", "errors>0"];

    let passed = diff(&before, &same, &limits);
    assert_eq!(passed.status.code(), Some(0), "{}", text(&passed.stdout));
    assert!(
        text(&passed.stdout).ends_with("\nNo difference is shown between A and B.\n"),
        "{}",
        text(&passed.stdout)
    );

    let failed = diff(&before, &slower, &limits);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stdout));
    assert!(text(&failed.stdout).contains("\nB differs from A: "), "{}", text(&failed.stdout));
    assert!(text(&failed.stderr).starts_with("failed: p50>+5%: +"), "{}", text(&failed.stderr));
    assert_eq!(text(&failed.stderr).lines().count(), 1);
}

#[test]
fn the_comparison_is_available_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let before = report(folder.path(), "a.json", &Rush::default());
    let slower = report(folder.path(), "b.json", &Rush { seed: 2, slower: 1.1, ..Rush::default() });
    let compared: Value = serde_json::from_slice(&diff(&before, &slower, &["-O", "json"]).stdout).unwrap();
    let rows = compared["rows"].as_array().unwrap();
    let p50 = rows.iter().find(|row| row["name"] == "p50").unwrap();
    assert_eq!(p50["verdict"], "higher");
    assert!(p50["interval"]["low"].as_f64().unwrap() > 0.01);
}

#[test]
fn reports_of_ghz_are_compared_by_their_details() {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = [("a.json", 1.0), ("b.json", 1.2)].map(|(name, slower)| {
        let path = report(folder.path(), name, &Rush { slower, seconds: 30, ..Rush::default() });
        let mut report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        report.as_object_mut().unwrap().remove("inrush");
        fs::write(&path, report.to_string()).unwrap();
        path
    });
    let compared = diff(&before, &after, &["--fail-if", "p50>+5%"]);
    assert_eq!(compared.status.code(), Some(1), "{}{}", text(&compared.stdout), text(&compared.stderr));

    fs::write(&after, json!({"count": 200, "average": 5}).to_string()).unwrap();
    let error = diff(&before, &after, &[]);
    assert_eq!(error.status.code(), Some(2));
    assert!(text(&error.stderr).contains("b.json: it has neither the field inrush nor details of calls"));
}

#[test]
fn invalid_thresholds_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let before = report(folder.path(), "a.json", &Rush { seconds: 6, ..Rush::default() });
    for (threshold, message) in [
        ("p99>5", "write a time with its unit"),
        ("pp99>+5%", "try p99"),
        ("unsent>0", "use one of rps, mean"),
    ] {
        let error = diff(&before, &before, &["--fail-if", threshold]);
        assert_eq!(error.status.code(), Some(2), "{threshold}");
        assert!(text(&error.stderr).contains(message), "{threshold}: {}", text(&error.stderr));
    }
}
