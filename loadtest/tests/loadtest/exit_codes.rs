//! The extensions of `call` beyond ghz: thresholds, the page, the warm-up, and interruption.

use std::{fs, process::Output};

use serde_json::Value;

use crate::called::{Certificates, DynamicServer, Folder, Setup};

/// Runs `flags` against a server, in a folder.
fn run(flags: &str) -> (Output, DynamicServer, Folder) {
    let server = DynamicServer::start(&Setup::default());
    let folder = Folder::new(&Certificates::new());
    let line = format!("ghz --insecure --call helloworld.Greeter/SayHello {flags} {}", server.address);
    (folder.run(&line, b""), server, folder)
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_exceeded_threshold_is_exit_code_1() {
    let half_fails = r#"-n 20 -c 1 -d '[{"name":"Joe"},{"name":"fail"}]'"#;
    let (output, ..) = run(&format!("{half_fails} --fail-if 'errors>60%' --fail-if 'p99>1m'"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (output, ..) = run(&format!("{half_fails} --fail-if 'errors>40%' --fail-if 'p99>1m'"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("errors"), "{stderr}");
}

#[test]
fn the_page_is_written_beside_the_report() {
    let (output, _, folder) = run("-n 50 -c 2 --report page.html -O json");
    assert_eq!(report(&output)["count"], 50);
    assert!(folder.read("page.html").contains("</html>"));
}

#[test]
fn a_closed_loop_can_be_requested() {
    let (output, ..) = run("-n 20 -c 2 -r 200 --closed-loop -O json");
    assert_eq!(report(&output)["inrush"]["open_loop"], false);
    let (output, ..) = run("-n 20 -c 2 -r 200 -O json");
    assert_eq!(report(&output)["inrush"]["open_loop"], true);
}

#[test]
fn calls_of_the_warm_up_are_made_and_not_counted() {
    let (output, server, _) = run("-n 100 -r 200 --warm-up 250ms -O json");
    // Of the calls due at 0, 5, 10 … ms, fifty are due before.
    assert_eq!((report(&output)["count"].as_u64(), server.calls().len()), (Some(50), 100));
}

#[test]
fn the_number_of_recorded_calls_is_limited() {
    let (output, ..) = run("-n 100 -c 2 --details 10 -O json");
    let report = report(&output);
    assert_eq!((report["count"].as_u64(), report["details"].as_array().unwrap().len()), (Some(100), 10));
}

#[test]
fn the_items_of_a_metadata_list_are_used_in_turn() {
    let (_, server, _) = run(r#"-n 4 -c 1 -m '[{"turn":"first"},{"turn":"second {{.RequestNumber}}"}]'"#);
    let values: Vec<String> =
        server.calls().iter().map(|call| call.headers["turn"].to_str().unwrap().to_owned()).collect();
    assert_eq!(values, ["first", "second 1", "first", "second 3"]);
}

/// Runs the program without a limit. Once the server has received a call, the shell executes `then`, in which `$tool` is
/// the process.
fn interrupted(flags: &str, then: &str) -> Output {
    let server = DynamicServer::start(&Setup::default());
    let folder = Folder::new(&Certificates::new());
    let script = format!(
        "\"$TOOL\" --insecure --call helloworld.Greeter/SayHello -n 0 -c 1 {flags} -O json {} 2> stderr & tool=$!
         while [ ! -s called ]; do sleep 0.05; done
         {then}
         wait $tool; code=$?; cat stderr >&2; exit $code",
        server.address
    );
    let called = folder.path().join("called");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| folder.run(&script, b""));
        while server.calls().is_empty() {
            std::thread::yield_now();
        }
        fs::write(&called, "a call").unwrap();
        run.join().unwrap()
    })
}

#[test]
fn an_interrupted_run_reports_its_results() {
    let output = interrupted("", "kill -INT $tool");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    assert_eq!(report["endReason"], "cancel");
    assert!(report["count"].as_u64().unwrap() > 0);
}

#[test]
fn a_second_interruption_exits_immediately() {
    // Rendering the second message takes forever, and a thread cannot be cancelled while it renders a message.
    let endless = "{{range until 9999}}{{range until 9999}}{{range until 9999}}{{end}}{{end}}{{end}}";
    let output = interrupted(
        &format!(r#"-d '{{"name":"{{{{if gt .RequestNumber 0}}}}{endless}{{{{end}}}}"}}'"#),
        "kill -INT $tool; until grep -q stopping stderr; do sleep 0.05; done; kill -INT $tool",
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("interrupted twice") && output.stdout.is_empty(), "{stderr}");
}
