//! The same rush on both sides: the order system goes down under it, and does not behind a queue.

use std::{fs, process::Command};

use inrush_simulation::compare::Settings;
use serde_json::Value;

#[test]
fn direct_calls_fail_most_buyers_and_inrush_sells_every_unit_to_a_waiting_buyer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, report, svg) = (path("compare.json"), path("compare.html"), path("compare.svg"));
    let inrush = inrush_testkit::inrush::binary().display().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_inrush-loadtest"))
        .args(["compare", "--quick", "--inrush", &inrush])
        .args(["--json", &json, "--report", &report, "--svg", &svg])
        .output()
        .expect("the binary can be started");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in ["straight at it", "through Inrush", "goodput of capacity", "measured alone"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let json: Value = serde_json::from_slice(&fs::read(json).expect("it was written")).expect("JSON");
    let count = |side: &str, what: &str| json[side][what].as_u64().expect("a count");
    let units = Settings::quick().units;
    // The first seconds' worth at most is served in time: after that the queue is longer than anybody waits.
    assert!(count("straight", "served") < units / 2, "{json:#}");
    assert!(count("straight", "abandonedOrders") > 0, "{json:#}");
    assert!(count("straight", "gaveUp") > count("straight", "served"), "{json:#}");
    assert_eq!(count("through", "served"), units, "{json:#}");
    assert_eq!(count("through", "abandonedOrders"), 0, "{json:#}");
    for side in ["straight", "through"] {
        let ends = count(side, "served") + count(side, "soldOut") + count(side, "gaveUp");
        assert_eq!(ends, u64::from(Settings::quick().buyers()), "{json:#}");
    }
    let (report, svg) =
        (fs::read_to_string(report).expect("a page"), fs::read_to_string(svg).expect("a picture"));
    assert!(report.contains("<svg") && report.contains("Content-Security-Policy"), "{report}");
    assert!(svg.starts_with("<svg") && svg.contains("Through Inrush"), "{svg}");
}

#[test]
fn invalid_command_lines_are_errors_with_a_remedy() {
    for (arguments, parts) in [
        ("compare --workers 0", ["--workers is 0", "it must be 1 to"]),
        ("compare --target 127.0.0.1:1 --quick", ["--orders-listen", "required"]),
        (
            "compare --quick --inrush /nowhere/inrush",
            ["--inrush /nowhere/inrush: there is no such program", "cargo build"],
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inrush-loadtest"));
        let output = command.args(arguments.split_whitespace()).output().expect("the binary can be started");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {text}");
        for part in parts {
            assert!(text.contains(part), "{arguments}: no {part:?} in {text}");
        }
    }
}
