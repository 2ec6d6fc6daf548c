//! The demo proves a sale, and its proof can fail.

use std::fs;

use serde_json::Value;

use crate::support::{inrush, text};

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
fn a_store_that_is_broken_on_purpose_is_found_out() {
    for fault in ["overshoot", "drop", "swap"] {
        let ran = inrush(&format!("{SMALL} --fault {fault}"));
        assert_eq!(ran.code, Some(1), "{fault}: {ran:?}");
    }
}
