//! Reports.

use serde_json::Value;

use super::Line;
use crate::ghz_report::GhzReport;

pub(super) fn lines() -> Vec<Line> {
    vec![
        Line::new(
            "examples.md and options.md, debug logging",
            r#"mkdir logs; ghz --insecure \
  --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Joe"}' -c 5 -n 50 -m '{"request-id":"{{.RequestNumber}}", "timestamp":"{{.TimestampUnix}}"}' \
  --debug ./logs/debug.json \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(50);
                let log = outcome.folder.read("logs/debug.json");
                let events: Vec<Value> =
                    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert_eq!(events[0]["config"]["call"], "helloworld.Greeter.SayHello");
                let answers = events.iter().filter(|event| event["status"] == "OK").count();
                assert_eq!((answers, events.len()), (50, 52));
            },
        ),
        Line::new(
            "options.md, --name and --tags",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 --name 'Greeter SayHello' --tags '{"env":"staging","created by":"Joe Developer"}' -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(5);
                assert_eq!(report.name.as_deref(), Some("Greeter SayHello"));
                assert_eq!(report.tags["created by"], "Joe Developer");
            },
        ),
        Line::new(
            "options.md, --skipFirst",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 50 -c 1 --skipFirst 10 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.report();
                assert_eq!((report.count, outcome.calls.len()), (40, 50));
                assert_eq!(report.options.skip_first, Some(10));
            },
        ),
        Line::new(
            "options.md, errors are excluded from the latencies",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -d '[{"name":"Joe"},{"name":"fail"}]' 0.0.0.0:50051"#,
            |outcome| errors(&outcome.report(), 10),
        ),
        Line::new(
            "options.md, --count-errors",
            r#"ghz --insecure --count-errors --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -d '[{"name":"Joe"},{"name":"fail"}]' 0.0.0.0:50051"#,
            |outcome| errors(&outcome.report(), 20),
        ),
        Line::new(
            "options.md, --format pretty and --output",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -O pretty -o ./pretty.json -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                assert!(outcome.output.stdout.is_empty());
                let text = outcome.folder.read("pretty.json");
                let report: GhzReport = serde_json::from_str(&text).unwrap();
                assert_eq!((report.count, report.details.len()), (20, 20));
                assert!(text.contains("\n  \""));
            },
        ),
        Line::new(
            "output.md, csv",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -O csv -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let text = outcome.stdout();
                assert_eq!(text.lines().next(), Some("duration (ms),status,error"));
                assert_eq!(text.lines().filter(|line| line.ends_with(",OK,")).count(), 20, "{text}");
            },
        ),
        Line::new(
            "output.md, summary",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 --format=summary -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let text = outcome.stdout();
                for part in ["Summary:", "Count:", "Requests/sec:", "Latency distribution:", "[OK]"] {
                    assert!(text.contains(part), "{part} in {text}");
                }
            },
        ),
        Line::new(
            "output.md, prometheus",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -O prometheus -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| assert!(outcome.stdout().contains("ghz_run_count"), "{}", outcome.stdout()),
        ),
        Line::new(
            "output.md, influx-summary",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -O influx-summary -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let text = outcome.stdout();
                assert!(text.starts_with("ghz_run,") && text.contains("count=20"), "{text}");
            },
        ),
        Line::new(
            "output.md, influx-details",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -O influx-details -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                assert_eq!(
                    outcome.stdout().lines().filter(|line| line.starts_with("ghz_detail,")).count(),
                    20
                );
            },
        ),
        Line::new(
            "output.md, html",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 1 -O html -o report.html -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let page = outcome.folder.read("report.html");
                assert!(
                    page.starts_with("<!doctype html>") && page.contains("helloworld.Greeter.SayHello"),
                    "{page}"
                );
            },
        ),
    ]
}

/// Half of twenty calls failed, and `counted` calls are included in the latencies.
fn errors(report: &GhzReport, counted: u64) {
    assert_eq!(report.count, 20);
    assert_eq!(report.status_code_distribution.get("Internal"), Some(&10));
    assert_eq!(report.error_distribution.values().sum::<u64>(), 10);
    let text = report.error_distribution.keys().next().unwrap();
    assert_eq!(text, "rpc error: code = Internal desc = no greeting for this one");
    assert_eq!(report.histogram.iter().map(|bucket| bucket.count).sum::<u64>(), counted);
    assert_eq!(
        report.details.iter().filter(|call| call.status == "Internal" && !call.error.is_empty()).count(),
        10
    );
}
