//! Streams.

use super::{Line, names};

pub(super) fn lines() -> Vec<Line> {
    vec![
        Line::new(
            "examples.md, client streaming data as an array",
            r#"ghz --proto ./greeter.proto \
  --call helloworld.Greeter.SayHelloCS \
  -d '[{"name":"Joe"},{"name":"Kate"},{"name":"Sara"}]' \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| names(call) == ["Joe", "Kate", "Sara"]));
            },
        ),
        Line::new(
            "examples.md, client streaming",
            r#"ghz --insecure \
  --proto ./protos/route_guide.proto \
  --call routeguide.RouteGuide.RecordRoute \
  -d '[{ "latitude": 407838351, "longitude": -746143763 }, { "latitude": 419999544, "longitude": -740371136 }, { "latitude": 419611318, "longitude": -746524769 }, { "latitude": 412144655, "longitude": -743949739 }]' \
  -m '{"trace_id":"{{.RequestNumber}}", "timestamp":"{{.TimestampUnixNano}}"}' \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| call.messages.len() == 4));
                assert_eq!(outcome.calls[0].messages[3]["longitude"], -743_949_739);
                assert!(outcome.header("timestamp").iter().all(|time| time.len() == 19));
            },
        ),
        Line::new(
            "examples.md, server streaming",
            r#"ghz --insecure \
  --proto ./protos/route_guide.proto \
  --call routeguide.RouteGuide.ListFeatures \
  -d '{"lo":{"latitude":400000000,"longitude":-750000000},"hi":{"latitude":420000000,"longitude":-730000000}}' \
  -m '{"trace_id":"{{.RequestNumber}}", "timestamp":"{{.TimestampUnixNano}}"}' \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(200);
                assert_eq!(outcome.calls[0].messages[0]["hi"]["latitude"], 420_000_000);
            },
        ),
        Line::new(
            "options.md, --stream-call-count below the number of messages",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHelloCS -n 10 -c 2 --stream-call-count=2 -d '[{"name":"Joe"},{"name":"Kate"},{"name":"Sara"}]' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(10);
                assert!(outcome.calls.iter().all(|call| names(call) == ["Joe", "Kate"]));
            },
        ),
        Line::new(
            "options.md, --stream-call-count above the number of messages",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHelloBidi -n 10 -c 2 --stream-call-count=5 -d '[{"name":"Joe"},{"name":"Kate"},{"name":"Sara"}]' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(10);
                assert!(
                    outcome.calls.iter().all(|call| names(call) == ["Joe", "Kate", "Sara", "Joe", "Kate"])
                );
            },
        ),
        Line::new(
            "options.md, --stream-dynamic-messages",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHelloCS -n 10 -c 2 --stream-dynamic-messages=true --stream-call-count=5 -d '{"name":"{{randomString 8 }}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(10);
                for call in &outcome.calls {
                    let mut names = names(call);
                    names.sort_unstable();
                    names.dedup();
                    assert_eq!(names.len(), 5, "every message renders the template");
                }
            },
        ),
        Line::new(
            "options.md, --stream-call-count with a template",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHelloCS -n 10 -c 2 --stream-call-count=5 -d '{"name":"{{randomString 8 }}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(10);
                for call in &outcome.calls {
                    let names = names(call);
                    assert_eq!((names.len(), names[0].len()), (5, 8));
                    assert!(names.iter().all(|name| *name == names[0]), "once per call: {names:?}");
                }
            },
        ),
        Line::new(
            "options.md, --stream-interval",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHelloBidi -n 2 -c 2 --stream-interval 100ms -d '[{"name":"Joe"},{"name":"Kate"},{"name":"Sara"}]' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(2);
                assert!(
                    report.fastest >= 200_000_000,
                    "two intervals between three messages: {}",
                    report.fastest
                );
            },
        ),
        Line::new(
            "options.md, --stream-call-duration in a bidirectional call",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHelloBidi -n 2 -c 2 --stream-interval 20ms --stream-call-duration 500ms --stream-call-count 1000 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(2);
                // 25 messages fit if none is late.
                assert!(outcome.calls.iter().all(|call| (1..=26).contains(&names(call).len())));
            },
        ),
        Line::new(
            "options.md, --stream-call-duration in a server streaming call",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHellos -n 2 -c 2 --stream-call-duration 200ms -d '{"name":"forever"}' 0.0.0.0:50051"#,
            |outcome| {
                // On a slow machine, the server may not have recorded the calls yet.
                let report = outcome.report();
                assert_eq!(report.status_code_distribution.get("OK"), Some(&2), "{report:?}");
                assert!(report.fastest >= 200_000_000, "{}", report.fastest);
            },
        ),
        Line::new(
            "options.md, --stream-call-count in a server streaming call",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHellos -n 10 -c 2 --stream-call-count 5 -d '{"name":"forever"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(10);
            },
        ),
    ]
}
