//! Methods, messages and metadata.

use super::{ADDRESS, Line, Outcome, names};
use crate::called::Folder;

/// `{"name": "Alice"}`, encoded.
const ALICE: &[u8] = b"\x0a\x05Alice";

/// The same and `{"name": "Bob"}`, with length prefixes.
const ALICE_AND_BOB: &[u8] = b"\x07\x0a\x05Alice\x05\x0a\x03Bob";

/// Writes the files that the lines refer to, apart from the definitions.
pub(super) fn files(folder: &Folder, address: &str) {
    let config = r#"{
        "insecure": true, "proto": "./greeter.proto", "call": "helloworld.Greeter.SayHello",
        "total": 2000, "concurrency": 50, "data": {"name": "Joe"},
        "metadata": {"foo": "bar", "trace_id": "{{.RequestNumber}}", "timestamp": "{{.TimestampUnix}}"},
        "import-paths": ["."], "max-duration": "10s", "host": "0.0.0.0:50051"
    }"#;
    folder.write("config.json", config.replace(ADDRESS, address).as_bytes());
    let config = r#"
        "max-duration" = "7s"
        total = 20
        concurrency = 5
        proto = "./greeter.proto"
        call = "helloworld.Greeter.SayHello"
        host = "0.0.0.0:50051"
        insecure = true
        output = "pretty.json"
        format = "pretty"

        [data]
        name = "Bob {{.TimestampUnix}}"

        [metadata]
        rn = "{{.RequestNumber}}"
    "#;
    folder.write("with-format.toml", config.replace(ADDRESS, address).as_bytes());
    folder.write("hello_request_data.bin", ALICE);
    folder.write("two.bin", ALICE_AND_BOB);
    folder.write("file.json", br#"{"name": "{{.MethodName}} {{.RequestNumber}}"}"#);
    folder.write("metadata.json", br#"{"request-id": "{{.RequestNumber}}", "key-bin": "AAEC/w=="}"#);
    folder.write("favicon.ico", &[0, 1, 2, 254, 255]);
}

pub(super) fn lines() -> Vec<Line> {
    vec![
        Line::new(
            "examples.md, a simple insecure unary call",
            r#"ghz --insecure \
  --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Joe"}' \
  0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| names(call) == ["Joe"]));
                assert_eq!(outcome.calls[0].path, "/helloworld.Greeter/SayHello");
                assert_eq!(report.options.host, outcome.address);
                assert_eq!(report.options.proto.as_deref(), Some("./greeter.proto"));
                assert_eq!((report.options.total, report.options.concurrency), (Some(200), Some(50)));
                assert_eq!(report.options.data.unwrap()["name"], "Joe");
            },
        ),
        Line::new(
            "examples.md, server reflection",
            r#"ghz --insecure \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Joe"}' \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| names(call) == ["Joe"]));
            },
        ),
        Line::new(
            "options.md, --reflect-metadata",
            r#"ghz --insecure --call helloworld.Greeter/SayHello --reflect-metadata '{"token":"secret"}' -n 10 -c 5 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(10);
                assert!(outcome.header("token").is_empty(), "only reflection calls have it");
            },
        ),
        Line::new(
            "examples.md, metadata using template variables",
            r#"ghz --insecure \
  --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Joe"}' \
  -m '{"trace_id":"{{.RequestNumber}}", "timestamp":"{{.TimestampUnix}}"}' \
  0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(200);
                every_number_once(&outcome.header("trace_id"), 200);
                let times = outcome.header("timestamp");
                assert!(times.iter().all(|time| time.parse::<u64>().unwrap() > 1_700_000_000), "{times:?}");
                assert_eq!(report.options.metadata.unwrap()["trace_id"], "{{.RequestNumber}}");
            },
        ),
        Line::new(
            "calldata.md, metadata",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 30 -c 3 -d '{"name":"Joe"}' -m '{"request-id":"{{.RequestNumber}}", "timestamp":"{{.TimestampUnix}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(30);
                every_number_once(&outcome.header("request-id"), 30);
            },
        ),
        Line::new(
            "calldata.md, template functions",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 20 -c 2 -d '{"name":"{{newUUID}} {{randomString 8 }} {{randomString 0}} {{randomInt 5 9}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(20);
                let mut names = outcome.values("name");
                for name in &names {
                    let parts: Vec<&str> = name.split(' ').collect();
                    assert_eq!((parts[0].len(), parts[1].len()), (36, 8), "{name}");
                    assert!((2..=16).contains(&parts[2].len()), "{name}");
                    assert!((5..9).contains(&parts[3].parse::<u32>().unwrap()), "{name}");
                }
                names.dedup();
                assert_eq!(names.len(), 20, "every call renders the template");
            },
        ),
        Line::new(
            "calldata.md, all variables",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello --name shop -n 1 -c 1 -d '{"name":"{{.WorkerID}} {{.RequestNumber}} {{.FullyQualifiedName}} {{.MethodName}} {{.ServiceName}} {{.InputName}} {{.OutputName}} {{.IsClientStreaming}} {{.IsServerStreaming}} {{.Timestamp}} {{.TimestampUnix}} {{.TimestampUnixMilli}} {{.TimestampUnixNano}} {{.UUID}}"}' -m '{"uuid":"{{.UUID}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(1);
                let name = &outcome.values("name")[0];
                let parts: Vec<&str> = name.split(' ').collect();
                let first = "shop:g0c0 0 helloworld.Greeter.SayHello SayHello Greeter HelloRequest HelloReply false false";
                assert_eq!(parts[..9].join(" "), first);
                let seconds = parts[10];
                assert!(parts[11].starts_with(seconds) && parts[12].starts_with(parts[11]), "{name}");
                assert!(parts[9].starts_with("20") && parts[9].ends_with('Z'), "{name}");
                assert_eq!(outcome.header("uuid"), [parts[13]], "data and metadata have the same id");
            },
        ),
        Line::new(
            "options.md, --disable-template-data",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 --disable-template-data -d '{"name":"{{.RequestNumber}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(5);
                assert_eq!(outcome.values("name"), ["{{.RequestNumber}}"; 5]);
            },
        ),
        Line::new(
            "options.md, --disable-template-functions",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 --disable-template-functions -d '{"name":"{{.RequestNumber}}"}' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(5);
                assert_eq!(outcome.values("name"), ["0", "1", "2", "3", "4"]);
            },
        ),
        Line::new(
            "examples.md, binary data",
            r"ghz --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -B ./hello_request_data.bin \
  0.0.0.0:50051",
            |outcome| {
                let report = outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| names(call) == ["Alice"]));
                assert!(report.options.binary && report.options.data.is_none());
            },
        ),
        Line::new(
            "examples.md, binary data without --binary",
            r"ghz --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  0.0.0.0:50051 < ./hello_request_data.bin",
            |outcome| {
                // As in ghz, only --binary reads standard input: the message is empty.
                outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| names(call) == [""]));
            },
        ),
        Line::new(
            "options.md, --binary",
            "ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 4 -c 1 -b 0.0.0.0:50051",
            |outcome| {
                outcome.all_succeeded(4);
                assert_eq!(outcome.values("name"), ["Alice", "Alice", "Bob", "Bob"], "in turn");
            },
        )
        .input(ALICE_AND_BOB),
        Line::new(
            "examples.md, binary fields",
            r#"data=`base64 favicon.ico`

ghz --insecure \
--proto protos/bytes.proto \
--call bytes.ImageService.Save \
-d "{\"name\":\"icon.ico\", \"data\":\"${data}\"}" \
-c 1 -n 1 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(1);
                assert_eq!(outcome.values("data"), ["AAEC/v8="]);
            },
        ),
        Line::new(
            "examples.md, variable data for unary calls",
            r#"ghz --insecure \
  --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -d '[{"name":"Joe"},{"name":"Bob"}]' \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(200);
                let joe = outcome.values("name").iter().filter(|name| *name == "Joe").count();
                assert_eq!(joe, 100);
            },
        ),
        Line::new(
            "options.md, --data with a list",
            r#"ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 6 -c 1 -d '[{"name":"Joe"},{"name":"Kate"},{"name":"Sara"}]' 0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(6);
                let order: Vec<&str> = outcome.calls.iter().map(|call| names(call)[0]).collect();
                assert_eq!(order, ["Joe", "Kate", "Sara", "Joe", "Kate", "Sara"]);
            },
        ),
        Line::new(
            "options.md, --data from standard input",
            "ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 3 -c 1 -d @ 0.0.0.0:50051",
            |outcome| {
                outcome.all_succeeded(3);
                assert_eq!(outcome.values("name"), ["7", "7", "7"]);
            },
        )
        .input(br#"{"name": "{{ add 3 4 }}"}"#),
        Line::new(
            "options.md, --data-file and --metadata-file",
            "ghz --insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 2 -c 1 -D ./file.json -M ./metadata.json 0.0.0.0:50051",
            |outcome| {
                outcome.all_succeeded(2);
                assert_eq!(outcome.values("name"), ["SayHello 0", "SayHello 1"]);
                assert_eq!(outcome.header("request-id"), ["0", "1"]);
                assert_eq!(outcome.header("key-bin"), ["AAEC/w", "AAEC/w"]);
            },
        ),
        Line::new(
            "examples.md, protoset",
            r#"ghz --protoset ./bundle.protoset \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Bob"}' \
  -n 100 -c 10 \
  0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(100);
                assert_eq!(report.options.protoset.as_deref(), Some("./bundle.protoset"));
                assert_eq!(outcome.max_concurrent, 10);
            },
        )
        .gathering(10),
        Line::new(
            "options.md, --import-paths",
            r#"ghz --insecure --proto shop/shop.proto -i ./shared,./other --call shop.Shop/Buy -n 1 -c 1 -d '{"sku":"a","price":{"currency":"EUR","units":"5"}}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.all_succeeded(1);
                assert_eq!(outcome.calls[0].messages[0]["price"]["units"], "5");
                assert_eq!(report.options.import_paths.unwrap(), ["./shared", "./other"]);
            },
        ),
        Line::new(
            "examples.md, well known types",
            r#"ghz --insecure \
  --proto ./testdata/wrapped.proto \
  --call wrapped.WrappedService.GetMessage \
  -d '"asdf"' \
  0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(200);
                assert!(outcome.calls.iter().all(|call| call.messages == ["asdf"]));
            },
        ),
        Line::new(
            "options.md and examples.md, --config",
            "ghz --config ./config.json -c 20 -n 100",
            |outcome| {
                let report = outcome.all_succeeded(100);
                assert_eq!((report.options.concurrency, report.options.total), (Some(20), Some(100)));
                assert_eq!(outcome.header("foo"), ["bar"; 100]);
                every_number_once(&outcome.header("trace_id"), 100);
                assert_eq!(outcome.max_concurrent, 20);
            },
        )
        .gathering(20),
        Line::new("example_config.md, TOML", "ghz --config ./with-format.toml", |outcome: &Outcome| {
            assert!(outcome.output.stdout.is_empty());
            assert_eq!(outcome.calls.len(), 20);
            every_number_once(&outcome.header("rn"), 20);
            let report = outcome.folder.read("pretty.json");
            assert!(report.contains("\n  \"count\": 20"), "{report}");
            assert!(outcome.values("name")[0].starts_with("Bob 1"));
        }),
    ]
}

fn every_number_once(values: &[String], count: u64) {
    let mut numbers: Vec<u64> = values.iter().map(|number| number.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}
