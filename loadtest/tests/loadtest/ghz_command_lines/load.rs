//! Rates, workers, and the end of a run.

use super::{Line, Outcome, is_open};

/// A line that calls the greeter.
macro_rules! greet {
    ($flags:literal) => {
        concat!(
            "ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello ",
            $flags,
            r#" -d '{"name":"{{.WorkerID}}"}' 0.0.0.0:50051"#
        )
    };
}

pub(super) fn lines() -> Vec<Line> {
    [rates(), workers(), ends()].into_iter().flatten().collect()
}

fn rates() -> Vec<Line> {
    vec![
        Line::new(
            "load.md, constant rate",
            r#"ghz --insecure --async \
  --proto greeter.proto \
  --call helloworld.Greeter/SayHello \
  -c 10 -n 100 --rps 200 \
  -d '{"name":"{{.WorkerID}}"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(100);
                assert!(is_open(&report) && report.options.r#async);
                assert_eq!(report.options.rps, Some(200));
                took_at_least(outcome, 99.0 / 200.0);
            },
        ),
        Line::new("options.md, --rps", greet!("-n 40 -r 200"), |outcome| {
            assert!(is_open(&outcome.all_succeeded(40)));
            took_at_least(outcome, 39.0 / 200.0);
        }),
        Line::new(
            "options.md, --load-schedule=step",
            greet!(
                "-n 100 -c 10 --load-schedule=step --load-start=500 --load-step=100 --load-step-duration=50ms"
            ),
            |outcome| {
                let report = outcome.all_succeeded(100);
                assert!(is_open(&report));
                let options = report.options;
                assert_eq!(options.load_schedule, "step");
                assert_eq!(
                    (options.load_start, options.load_step, options.load_step_duration),
                    (500, 100, 50_000_000)
                );
                // 25, 30 and 35 calls in the first three steps, and 10 of the fourth.
                took_at_least(outcome, 0.15 + 9.0 / 800.0);
            },
        ),
        Line::new(
            "options.md, --load-schedule=step with --load-end",
            greet!(
                "-n 100 -c 10 --load-schedule=step --load-start=500 --load-end=700 --load-step=100 --load-step-duration=50ms"
            ),
            |outcome| {
                assert_eq!(outcome.all_succeeded(100).options.load_end, 700);
                took_at_least(outcome, 0.15 + 9.0 / 700.0);
            },
        ),
        Line::new(
            "options.md, --load-schedule=step with --load-max-duration",
            greet!(
                "-n 100 -c 10 --load-schedule=step --load-start=500 --load-step=100 --load-step-duration=50ms --load-max-duration=100ms"
            ),
            |outcome| {
                assert_eq!(outcome.all_succeeded(100).options.load_max_duration, 100_000_000);
                // The rate stays at its value at that time: 700, from the third step on.
                took_at_least(outcome, 0.15 + 9.0 / 700.0);
            },
        ),
        Line::new(
            "options.md, --load-schedule=line",
            greet!("-n 100 -c 10 --load-schedule=line --load-start=200 --load-step=-2 --load-end=50"),
            |outcome| {
                assert_eq!(outcome.all_succeeded(100).options.load_step, -2);
                took_at_least(outcome, 99.0 / 200.0);
            },
        ),
        Line::new(
            "load.md, step down",
            r#"ghz --insecure --async --proto greeter.proto \
  --call helloworld.Greeter/SayHello \
  -c 10 -n 60 \
  --load-schedule=step --load-start=400 --load-step=-100 --load-step-duration=100ms --load-max-duration=200ms \
  -d '{"name":"{{.WorkerID}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(60);
                took_at_least(outcome, 0.1 + 19.0 / 300.0);
            },
        ),
        Line::new(
            "load.md, linear load",
            r#"ghz --insecure --async --proto greeter.proto \
  --call helloworld.Greeter/SayHello \
  -c 10 -n 50 \
  --load-schedule=line --load-start=50 --load-step=50 \
  -d '{"name":"{{.WorkerID}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(50);
                // 50 t + 25 t² = 49 at t = 0.72.
                took_at_least(outcome, 0.72);
            },
        ),
    ]
}

fn workers() -> Vec<Line> {
    vec![
        Line::new(
            "examples.md, custom parameters",
            r#"ghz --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Joe"}' \
  -n 200 \
  -c 20 \
  0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(200);
                assert!(!is_open(&report) && !report.options.insecure);
                assert_eq!(outcome.max_concurrent, 20);
            },
        )
        .gathering(20),
        Line::new("options.md, -n and -c without a space", greet!("-n50 -c5"), |outcome| {
            outcome.all_succeeded(50);
            assert_eq!(outcome.max_concurrent, 5);
            let mut workers = outcome.values("name");
            workers.dedup();
            assert!(workers.len() <= 5 && workers.iter().all(|id| id.starts_with('g')), "{workers:?}");
        })
        .gathering(5),
        Line::new(
            "concurrency.md, step up",
            r#"ghz --insecure --async --proto greeter.proto \
  --call helloworld.Greeter/SayHello \
  -n 60 --rps 200 \
  --concurrency-schedule=step --concurrency-start=5 --concurrency-step=5 --concurrency-end=50 --concurrency-step-duration=5s \
  -d '{"name":"{{.WorkerID}}"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(60);
                assert_eq!((report.options.concurrency_start, report.options.concurrency_end), (5, 50));
                took_at_least(outcome, 59.0 / 200.0);
            },
        ),
        Line::new(
            "options.md, --concurrency-schedule=step",
            greet!("-n 100 --rps 200 --concurrency-schedule=step --concurrency-start=5 --concurrency-step=5 --concurrency-end=50 --concurrency-step-duration=5s"),
            |outcome| {
                let report = outcome.all_succeeded(100);
                assert!(!is_open(&report), "a schedule of workers is a closed loop");
                assert!(outcome.max_concurrent <= 5, "the first step is not over");
                took_at_least(outcome, 0.4);
            },
        ),
        Line::new(
            "options.md, --concurrency-schedule=step with one dash before rps",
            greet!("-n 60 -rps 200 --concurrency-schedule=step --concurrency-start=10 --concurrency-step=10 --concurrency-step-duration=5s --concurrency-max-duration=60s"),
            |outcome| {
                let report = outcome.all_succeeded(60);
                assert_eq!((report.options.rps, report.options.concurrency_step), (Some(200), 10));
                assert!(outcome.max_concurrent <= 10);
            },
        ),
        Line::new(
            "options.md, --concurrency-schedule=line",
            greet!("-n 60 --rps 200 --concurrency-schedule=line --concurrency-start=200 --concurrency-step=-2 --concurrency-end=20"),
            |outcome| {
                assert_eq!(outcome.all_succeeded(60).options.concurrency_schedule, "line");
                assert!(outcome.max_concurrent <= 200);
            },
        ),
        Line::new(
            "options.md, a concurrency schedule without a rate",
            greet!("-n 200 --concurrency-schedule=step --concurrency-start=2 --concurrency-step=3 --concurrency-end=8 --concurrency-step-duration=50ms"),
            |outcome| {
                outcome.all_succeeded(200);
                assert_eq!(outcome.max_concurrent, 8, "all workers must be active before any call is answered");
            },
        )
        .gathering(8),
        Line::new("options.md, --async without a rate", greet!("-n 60 -c 5 --async"), |outcome| {
            outcome.all_succeeded(60);
            assert_eq!(outcome.max_concurrent, 60, "no call waits for another");
        })
        .gathering(60),
    ]
}

fn ends() -> Vec<Line> {
    vec![
        Line::new("options.md, --duration", greet!("-c 2 -z 300ms"), |outcome| {
            let report = outcome.report();
            assert_eq!((report.end_reason.as_str(), report.options.duration), ("timeout", Some(300_000_000)));
            assert!(report.count > 0);
            took_at_least(outcome, 0.3);
        }),
        Line::new(
            "options.md, --duration wins over --total",
            greet!("-c 2 -n 1 --duration 0.3s"),
            |outcome| {
                assert!(outcome.report().count > 1);
            },
        ),
        Line::new("options.md, --max-duration that is not reached", greet!("-c 2 -n 20 -x 1m"), |outcome| {
            assert_eq!(outcome.all_succeeded(20).end_reason, "normal");
        }),
        Line::new(
            "options.md, --max-duration that is reached",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -c 2 -n 20 -x 300ms --duration-stop close -d '{"name":"wait"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.report();
                assert_eq!((report.end_reason.as_str(), report.count), ("timeout", 2));
                assert_eq!(
                    report.status_code_distribution.get("OK"),
                    None,
                    "they were cancelled: {report:?}"
                );
            },
        ),
        Line::new(
            "options.md, --duration-stop ignore",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -c 2 -z 300ms --duration-stop ignore -d '{"name":"wait"}' 0.0.0.0:50051"#,
            |outcome| assert_eq!(outcome.report().count, 0),
        ),
        Line::new(
            "options.md, --duration-stop wait",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -c 2 -z 200ms -t 400ms --duration-stop wait -d '{"name":"wait"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.report();
                assert_eq!(report.status_code_distribution.get("DeadlineExceeded"), Some(&2), "{report:?}");
                took_at_least(outcome, 0.4);
            },
        ),
        Line::new(
            "options.md, --timeout",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -c 2 -n 4 -t 100ms -d '{"name":"wait"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.report();
                assert_eq!(report.status_code_distribution.get("DeadlineExceeded"), Some(&4), "{report:?}");
                assert_eq!(report.options.timeout, Some(100_000_000));
                assert!(outcome.header("grpc-timeout").iter().all(|limit| limit == "100000u"));
            },
        ),
    ]
}

/// No call is made before its planned time.
fn took_at_least(outcome: &Outcome, seconds: f64) {
    let took = outcome.report().total as f64 / 1e9;
    // Planned times are rounded to nanoseconds, and linear rates are computed in floating point.
    assert!(took >= seconds * 0.999, "it took {took} s instead of at least {seconds} s");
}
