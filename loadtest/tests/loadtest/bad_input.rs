//! Invalid command lines: every error message names the source and the remedy, and the exit code is 2.

use std::net::TcpListener;

use crate::called::{Certificates, DynamicServer, Folder, Setup};

/// An invalid command line, and the texts that its error message must contain.
struct Invalid {
    what: &'static str,
    line: &'static str,
    message: &'static [&'static str],
}

/// A valid command line with further flags; `SERVER` stands for the address of the server.
macro_rules! greet {
    ($flags:literal) => {
        concat!(
            "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello -n 1 -c 1 ",
            $flags,
            " SERVER"
        )
    };
}

const INVALID: &[Invalid] = &[
    Invalid {
        what: "a definition that does not parse",
        line: "ghz --insecure --proto broken.proto --call helloworld.Greeter.SayHello SERVER",
        message: &["broken.proto:4:", "expected", "correct the definition"],
    },
    Invalid {
        what: "a definition with an unknown type",
        line: "ghz --insecure --proto unknown.proto --call a.B.C SERVER",
        message: &["unknown.proto:3:", "Nothing", "correct the definition"],
    },
    Invalid {
        what: "a definition whose import is missing",
        line: "ghz --insecure --proto shop/shop.proto --call shop.Shop.Buy SERVER",
        message: &["shop.proto:6:", "common/money.proto", "--import-paths"],
    },
    Invalid {
        what: "a missing definition",
        line: "ghz --insecure --proto none.proto --call helloworld.Greeter.SayHello SERVER",
        message: &["cannot read --proto none.proto", "omit --proto to use server reflection"],
    },
    Invalid {
        what: "an invalid compiled definition",
        line: "ghz --insecure --protoset greeter.proto --call helloworld.Greeter.SayHello SERVER",
        message: &["--protoset greeter.proto is not a complete FileDescriptorSet", "--include_imports"],
    },
    Invalid {
        what: "an unknown method",
        line: "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHelo SERVER",
        message: &["no method \"SayHelo\"", "did you mean \"SayHello\"?", "SayHelloBidi"],
    },
    Invalid {
        what: "an unknown service",
        line: "ghz --insecure --proto greeter.proto --call helloworld.Greter/SayHello SERVER",
        message: &["no service \"helloworld.Greter\"", "did you mean \"helloworld.Greeter\"?"],
    },
    Invalid {
        what: "a service that is unknown to the server",
        line: "ghz --insecure --call helloworld.Greter/SayHello SERVER",
        message: &["no service \"helloworld.Greter\" in 127.0.0.1:", "did you mean \"helloworld.Greeter\"?"],
    },
    Invalid {
        what: "an invalid method name",
        line: "ghz --insecure --proto greeter.proto --call SayHello SERVER",
        message: &["--call: \"SayHello\" is not a method name", "package.Service/Method"],
    },
    Invalid {
        what: "no method",
        line: "ghz --insecure SERVER",
        message: &["the method is missing", "--call"],
    },
    Invalid {
        what: "no server",
        line: "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello",
        message: &["the server address is missing", "host:port"],
    },
    Invalid {
        what: "an unknown field",
        line: greet!(r#"-d '{"nme":"Joe"}'"#),
        message: &["--data", "no field \"nme\"", "did you mean \"name\"?"],
    },
    Invalid {
        what: "an unknown nested field",
        line: r#"ghz --insecure --call routeguide.RouteGuide.ListFeatures -d '{"hi":{"latitud":1}}' SERVER"#,
        message: &["no field \"hi.latitud\"", "did you mean \"latitude\"?"],
    },
    Invalid {
        what: "a field of the wrong type",
        line: r#"ghz --insecure --call routeguide.RouteGuide.ListFeatures -d '{"hi":{"latitude":"north"}}' SERVER"#,
        message: &["field hi.latitude", "routeguide.Rectangle", "protobuf.dev"],
    },
    Invalid {
        what: "an invalid item of a list",
        line: greet!(r#"-d '[{"name":"Joe"},{"name":7}]'"#),
        message: &["--data, item 1 of the list", "field name"],
    },
    Invalid {
        what: "invalid JSON",
        line: greet!(r#"-d '{"name":"Joe"'"#),
        message: &["--data", "not JSON", "line 1 column 13"],
    },
    Invalid {
        what: "invalid JSON in a file",
        line: greet!("-D broken.json"),
        message: &["--data-file broken.json", "line 2 column"],
    },
    Invalid {
        what: "a template that does not parse",
        line: greet!(r#"-d '{"name":"{{if}}"}'"#),
        message: &["--data", "invalid template: line 1 column", "docs/ghz.md"],
    },
    Invalid {
        what: "an unknown function",
        line: greet!(r#"-d '{"name":"{{randomStrin 8}}"}'"#),
        message: &["function randomStrin not defined", "did you mean \"randomString\"?"],
    },
    Invalid {
        what: "disabled functions",
        line: greet!(r#"--disable-template-functions -d '{"name":"{{newUUID}}"}'"#),
        message: &["newUUID not defined", "--disable-template-functions is set"],
    },
    Invalid {
        what: "an unknown variable",
        line: greet!(r#"-d '{"name":"{{.RequestNumbr}}"}'"#),
        message: &["unknown variable .RequestNumbr", "did you mean \"RequestNumber\"?", "in call 0"],
    },
    Invalid {
        what: "a template that fails",
        line: greet!(r#"-d '{"name":"{{ div 1 0 }}"}'"#),
        message: &["--data, in call 0", "line 1 column", "not an integer"],
    },
    Invalid {
        what: "a template that fails in a later call",
        line: r#"ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"{{ div 1 (sub 3 .RequestNumber) }}"}' SERVER"#,
        message: &["--data, in call 3", "not an integer"],
    },
    Invalid {
        what: "a template that yields invalid JSON",
        line: greet!(r#"-d '{"name":"{{ trim `"` }}"}'"#),
        message: &["--data, in call 0", "not JSON", "the text was {\"name\":"],
    },
    Invalid {
        what: "escaped quotes within a template",
        line: greet!(r#"-d '{"name":"{{ default \"x\" .UUID }}"}'"#),
        message: &["invalid template", "write `text` instead"],
    },
    Invalid {
        what: "an invalid metadata name",
        line: greet!(r#"-m '{"a b":"1"}'"#),
        message: &["--metadata: \"a b\"", "JSON object of strings"],
    },
    Invalid {
        what: "metadata with an unknown function",
        line: greet!(r#"-m '{"id":"{{newUID}}"}'"#),
        message: &["--metadata: id: ", "did you mean \"newUUID\"?"],
    },
    Invalid {
        what: "invalid encoded messages",
        line: greet!("-B broken.json"),
        message: &["--binary-file broken.json does not decode as helloworld.HelloRequest", "varint"],
    },
    Invalid {
        what: "a message that is too long",
        line: greet!(r#"--max-send-message-size 3B -d '{"name":"Joe"}'"#),
        message: &["5 bytes", "--max-send-message-size allows 3"],
    },
    Invalid {
        what: "an invalid duration",
        line: greet!("-z 10"),
        message: &["'--duration <DURATION>'", "\"10\" is not a duration", "1m30s"],
    },
    Invalid {
        what: "an invalid size",
        line: greet!("--max-recv-message-size 1nb"),
        message: &["\"1nb\" is not a size", "42MB"],
    },
    Invalid {
        what: "an unknown flag",
        line: greet!("--concurency 5"),
        message: &["'--concurency'", "'--concurrency'"],
    },
    Invalid { what: "an unknown format", line: greet!("-O jsn"), message: &["'jsn'", "pretty", "'json'"] },
    Invalid {
        what: "unreadable data",
        line: greet!("-D none.json"),
        message: &["cannot read --data-file none.json", "path of a file"],
    },
    Invalid {
        what: "an unreadable certificate",
        line: "ghz --cacert none.pem --proto greeter.proto --call helloworld.Greeter.SayHello SERVER",
        message: &["cannot read --cacert none.pem", "PEM"],
    },
    Invalid {
        what: "an invalid certificate",
        line: "ghz --cacert greeter.proto --proto greeter.proto --call helloworld.Greeter.SayHello SERVER",
        message: &["--cacert", "BEGIN CERTIFICATE"],
    },
    Invalid {
        what: "a report in a missing folder",
        line: greet!("-o none/report.json"),
        message: &["cannot write --output none/report.json", "folder"],
    },
    Invalid {
        what: "a certificate without its key",
        line: "ghz --cert client.pem --call a.B/C SERVER",
        message: &["--cert requires --key"],
    },
    Invalid {
        what: "more connections than workers",
        line: greet!("--connections 5"),
        message: &["--connections 5", "1 workers of --concurrency"],
    },
    Invalid {
        what: "more skipped calls than calls",
        line: greet!("--skipFirst 5"),
        message: &["--skipFirst 5", "--total"],
    },
    Invalid {
        what: "a final rate that is never reached",
        line: greet!(
            "--load-schedule step --load-start 50 --load-end 100 --load-step=-5 --load-step-duration 1s"
        ),
        message: &["--load-end 100 is never reached from --load-start 50 by --load-step -5"],
    },
    Invalid {
        what: "steps without a duration",
        line: greet!("--load-schedule step --load-start 50 --load-step 5"),
        message: &["--load-step-duration is missing"],
    },
    Invalid {
        what: "a schedule that changes nothing",
        line: greet!("--concurrency-schedule line --concurrency-step 0"),
        message: &["--concurrency-step is missing or 0"],
    },
    Invalid {
        what: "--closed-loop with --async",
        line: greet!("-r 5 --closed-loop --async"),
        message: &["--closed-loop and --async"],
    },
    Invalid {
        what: "a closed loop without a rate",
        line: greet!("--closed-loop"),
        message: &["--closed-loop requires a rate"],
    },
    Invalid {
        what: "encoded dynamic messages",
        line: greet!("-B hello.bin --stream-dynamic-messages"),
        message: &["--stream-dynamic-messages does not apply to encoded messages"],
    },
    Invalid {
        what: "an unknown setting",
        line: "ghz --config unknown.json",
        message: &["unknown.json: unknown setting \"concurency\"", "did you mean \"concurrency\"?"],
    },
    Invalid {
        what: "an invalid setting",
        line: "ghz --config wrong.toml",
        message: &["wrong.toml: timeout", "\"foo\" is not a duration"],
    },
    Invalid { what: "invalid TOML", line: "ghz --config broken.toml", message: &["broken.toml:2:"] },
    Invalid {
        what: "settings in YAML",
        line: "ghz --config config.yaml",
        message: &["neither a .json nor a .toml"],
    },
    Invalid {
        what: "invalid tags",
        line: greet!("--tags '{\"env\":1}'"),
        message: &["--tags", "JSON object of strings"],
    },
    Invalid {
        what: "an unknown strategy",
        line: greet!("--lb-strategy least_busy"),
        message: &["unknown --lb-strategy \"least_busy\"", "round_robin"],
    },
    Invalid { what: "an invalid threshold", line: greet!("--fail-if 'p99>'"), message: &["--fail-if"] },
];

#[test]
fn every_error_names_its_source_and_its_remedy() {
    let server = DynamicServer::start(&Setup::default());
    let folder = Folder::new(&Certificates::new());
    folder.write(
        "broken.proto",
        b"syntax = \"proto3\";\npackage helloworld;\nservice Greeter {\n  rpc SayHello HelloRequest;\n}\n",
    );
    folder.write(
        "unknown.proto",
        b"syntax = \"proto3\";\npackage a;\nservice B { rpc C(Nothing) returns (Nothing); }\n",
    );
    folder.write("broken.json", b"{\n \"name\": }\n");
    folder.write("hello.bin", b"\x0a\x03Joe");
    folder.write("unknown.json", br#"{"concurency": 5}"#);
    folder.write("wrong.toml", b"timeout = \"foo\"\n");
    folder.write("broken.toml", b"total = 5\nhost = \n");
    folder.write("config.yaml", b"total: 5\n");
    let mut failures = Vec::new();
    for invalid in INVALID {
        let output = folder.run(&invalid.line.replace("SERVER", &server.address.to_string()), b"");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let missing: Vec<&&str> = invalid.message.iter().filter(|part| !stderr.contains(**part)).collect();
        if output.status.code() != Some(2) || !missing.is_empty() {
            failures.push(format!("--- {}: {}, without {missing:?}\n{stderr}", invalid.what, output.status));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), INVALID.len(), failures.join("\n"));
}

fn error(folder: &Folder, line: &str) -> String {
    let output = folder.run(line, b"");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    stderr
}

#[test]
fn an_unreachable_server_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = Folder::new(&Certificates::new());
    for definition in ["--proto greeter.proto", ""] {
        let message = error(
            &folder,
            &format!("ghz --insecure {definition} --call helloworld.Greeter.SayHello {address}"),
        );
        assert!(
            message.contains(&address.to_string()) && message.contains("is the server running"),
            "{message}"
        );
    }
    let message = error(
        &folder,
        "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello unknown.invalid:5",
    );
    assert!(message.contains("unknown.invalid") && message.contains("spelling"), "{message}");
}

#[test]
fn tls_with_a_server_in_plain_text_is_an_error() {
    let server = DynamicServer::start(&Setup::default());
    let folder = Folder::new(&Certificates::new());
    let line = format!("ghz --proto greeter.proto --call helloworld.Greeter.SayHello {}", server.address);
    let message = error(&folder, &line);
    assert!(message.contains("TLS with 127.0.0.1:") && message.contains("--insecure"), "{message}");
}

#[test]
fn plain_text_with_a_server_with_tls_is_an_error() {
    let certificates = Certificates::new();
    let server = DynamicServer::start(&Setup { tls: Some(&certificates), ..Setup::default() });
    let line =
        format!("ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello {}", server.address);
    let message = error(&Folder::new(&certificates), &line);
    assert!(message.contains("HTTP/2") && message.contains("leave --insecure out"), "{message}");
}

#[test]
fn an_untrusted_certificate_is_an_error() {
    let certificates = Certificates::new();
    let server = DynamicServer::start(&Setup { tls: Some(&certificates), ..Setup::default() });
    let folder = Folder::new(&Certificates::new());
    let line = format!("ghz --proto greeter.proto --call helloworld.Greeter.SayHello {}", server.address);
    let message = error(&folder, &line);
    assert!(
        message.contains("invalid peer certificate")
            && message.contains("--cacert")
            && message.contains("--skipTLS"),
        "{message}"
    );
}
