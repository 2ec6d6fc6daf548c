//! The demo proves a sale, and its proof can fail.

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::support::{command, inrush, text};

const SMALL: &str = "demo --buyers 600 --stock 60 --at-once 64";

#[test]
fn a_small_sale_is_proved_and_its_results_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (json, report) = (folder.path().join("demo.json"), folder.path().join("demo.html"));
    let ran = inrush(&format!("{SMALL} --json {} --report {}", text(&json), text(&report))).expect_code(0);
    assert!(ran.stdout.contains("oversold"), "{ran:?}");
    let results: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((&results["buyers"], &results["ordered"]), (&Value::from(600), &Value::from(60)));
    for fault in ["oversold", "lost", "duplicated", "out_of_order"] {
        assert_eq!(results[fault], 0, "{results}");
    }
    assert!(fs::read_to_string(report).unwrap().contains("<html"));
}

#[test]
fn a_path_that_cannot_be_written_is_refused_before_the_sale() {
    for flag in ["--json", "--report"] {
        let ran = inrush(&format!("{SMALL} {flag} /nowhere/demo.file")).expect_code(2);
        assert!(ran.stderr.contains("to /nowhere/demo.file") && ran.stderr.contains("folder"), "{ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_reader_that_leaves_does_not_change_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("demo.json");
    let arguments = format!("{SMALL} --json {}", text(&json));
    let mut selling = command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((selling.stdout.take(), selling.stderr.take()));
    assert_eq!(selling.wait().unwrap().code(), Some(0));
    assert!(json.exists());
}

#[test]
fn a_store_that_is_broken_on_purpose_is_found_out() {
    for fault in ["overshoot", "drop", "swap"] {
        let ran = inrush(&format!("{SMALL} --fault {fault}"));
        assert_eq!(ran.code, Some(1), "{fault}: {ran:?}");
    }
}
