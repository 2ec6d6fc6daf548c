//! What a user does wrong: each time the message names the place and the remedy, and the exit code is 2.

use std::net::TcpListener;

use crate::called::{Called, Certificates, Folder, Setup};

/// A command line, and what must be in the message.
struct Mistake {
    what: &'static str,
    line: &'static str,
    said: &'static [&'static str],
}

/// What a good line consists of; `SERVER` is the server's address.
macro_rules! greet {
    ($flags:literal) => {
        concat!(
            "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello -n 1 -c 1 ",
            $flags,
            " SERVER"
        )
    };
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        what: "a definition that does not parse",
        line: "ghz --insecure --proto broken.proto --call helloworld.Greeter.SayHello SERVER",
        said: &["broken.proto:4:", "expected", "correct the definition"],
    },
    Mistake {
        what: "a definition with an unknown type",
        line: "ghz --insecure --proto unknown.proto --call a.B.C SERVER",
        said: &["unknown.proto:3:", "Nothing", "correct the definition"],
    },
    Mistake {
        what: "a definition whose import is missing",
        line: "ghz --insecure --proto shop/shop.proto --call shop.Shop.Buy SERVER",
        said: &["shop.proto:6:", "common/money.proto", "--import-paths"],
    },
    Mistake {
        what: "a definition that is not there",
        line: "ghz --insecure --proto none.proto --call helloworld.Greeter.SayHello SERVER",
        said: &["--proto none.proto cannot be read", "leave --proto out to ask the server"],
    },
    Mistake {
        what: "a compiled definition that is none",
        line: "ghz --insecure --protoset greeter.proto --call helloworld.Greeter.SayHello SERVER",
        said: &["--protoset greeter.proto is not a complete set", "--include_imports"],
    },
    Mistake {
        what: "a method that does not exist",
        line: "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHelo SERVER",
        said: &["no method \"SayHelo\"", "did you mean \"SayHello\"?", "SayHelloBidi"],
    },
    Mistake {
        what: "a service that does not exist",
        line: "ghz --insecure --proto greeter.proto --call helloworld.Greter/SayHello SERVER",
        said: &["no service \"helloworld.Greter\"", "did you mean \"helloworld.Greeter\"?"],
    },
    Mistake {
        what: "a service that the server does not have",
        line: "ghz --insecure --call helloworld.Greter/SayHello SERVER",
        said: &["no service \"helloworld.Greter\" in 127.0.0.1:", "did you mean \"helloworld.Greeter\"?"],
    },
    Mistake {
        what: "a name that is none",
        line: "ghz --insecure --proto greeter.proto --call SayHello SERVER",
        said: &["--call: \"SayHello\" is not the name of a method", "package.Service/Method"],
    },
    Mistake { what: "no method", line: "ghz --insecure SERVER", said: &["no method is given", "--call"] },
    Mistake {
        what: "no server",
        line: "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello",
        said: &["no server is given", "host:port"],
    },
    Mistake {
        what: "a field that does not exist",
        line: greet!(r#"-d '{"nme":"Joe"}'"#),
        said: &["--data", "no field \"nme\"", "did you mean \"name\"?"],
    },
    Mistake {
        what: "a field within a field that does not exist",
        line: r#"ghz --insecure --call routeguide.RouteGuide.ListFeatures -d '{"hi":{"latitud":1}}' SERVER"#,
        said: &["no field \"hi.latitud\"", "did you mean \"latitude\"?"],
    },
    Mistake {
        what: "a field of another type",
        line: r#"ghz --insecure --call routeguide.RouteGuide.ListFeatures -d '{"hi":{"latitude":"north"}}' SERVER"#,
        said: &["field hi.latitude", "routeguide.Rectangle", "protobuf.dev"],
    },
    Mistake {
        what: "one item of a list that does not fit",
        line: greet!(r#"-d '[{"name":"Joe"},{"name":7}]'"#),
        said: &["--data, item 1 of the list", "field name"],
    },
    Mistake {
        what: "no JSON",
        line: greet!(r#"-d '{"name":"Joe"'"#),
        said: &["--data", "not JSON", "line 1 column 13"],
    },
    Mistake {
        what: "no JSON in a file",
        line: greet!("-D broken.json"),
        said: &["--data-file broken.json", "line 2 column"],
    },
    Mistake {
        what: "a template that does not parse",
        line: greet!(r#"-d '{"name":"{{if}}"}'"#),
        said: &["--data", "the template is wrong at line 1 column", "docs/ghz.md"],
    },
    Mistake {
        what: "a function that is unknown",
        line: greet!(r#"-d '{"name":"{{randomStrin 8}}"}'"#),
        said: &["function randomStrin not defined", "did you mean \"randomString\"?"],
    },
    Mistake {
        what: "functions that are switched off",
        line: greet!(r#"--disable-template-functions -d '{"name":"{{newUUID}}"}'"#),
        said: &["newUUID not defined", "--disable-template-functions is given"],
    },
    Mistake {
        what: "a variable that is unknown",
        line: greet!(r#"-d '{"name":"{{.RequestNumbr}}"}'"#),
        said: &["no variable .RequestNumbr", "did you mean \"RequestNumber\"?", "in call 0"],
    },
    Mistake {
        what: "a template that fails",
        line: greet!(r#"-d '{"name":"{{ div 1 0 }}"}'"#),
        said: &["--data, in call 0", "line 1 column", "not an integer"],
    },
    Mistake {
        what: "a template that only fails in a later call",
        line: r#"ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"{{ div 1 (sub 3 .RequestNumber) }}"}' SERVER"#,
        said: &["--data, in call 3", "not an integer"],
    },
    Mistake {
        what: "a template that gives something else than the message",
        line: greet!(r#"-d '{"name":"{{ trim `"` }}"}'"#),
        said: &["--data, in call 0", "not JSON", "the text was {\"name\":"],
    },
    Mistake {
        what: "quotes within a template",
        line: greet!(r#"-d '{"name":"{{ default \"x\" .UUID }}"}'"#),
        said: &["the template is wrong", "write `text` instead"],
    },
    Mistake {
        what: "metadata that is none",
        line: greet!(r#"-m '{"a b":"1"}'"#),
        said: &["--metadata: \"a b\"", "JSON object of strings"],
    },
    Mistake {
        what: "metadata with an unknown function",
        line: greet!(r#"-m '{"id":"{{newUID}}"}'"#),
        said: &["--metadata: id: ", "did you mean \"newUUID\"?"],
    },
    Mistake {
        what: "encoded messages that are none",
        line: greet!("-B broken.json"),
        said: &["--binary-file broken.json does not decode as helloworld.HelloRequest", "varints"],
    },
    Mistake {
        what: "a message that is too long",
        line: greet!(r#"--max-send-message-size 3B -d '{"name":"Joe"}'"#),
        said: &["5 bytes", "--max-send-message-size allows 3"],
    },
    Mistake {
        what: "a bad duration",
        line: greet!("-z 10"),
        said: &["'--duration <DURATION>'", "\"10\" is not a duration", "1m30s"],
    },
    Mistake {
        what: "a bad size",
        line: greet!("--max-recv-message-size 1nb"),
        said: &["\"1nb\" is not a size", "42MB"],
    },
    Mistake {
        what: "an unknown flag",
        line: greet!("--concurency 5"),
        said: &["'--concurency'", "'--concurrency'"],
    },
    Mistake { what: "an unknown format", line: greet!("-O jsn"), said: &["'jsn'", "pretty", "'json'"] },
    Mistake {
        what: "data that cannot be read",
        line: greet!("-D none.json"),
        said: &["--data-file none.json cannot be read", "path of a file"],
    },
    Mistake {
        what: "a certificate that cannot be read",
        line: "ghz --cacert none.pem --proto greeter.proto --call helloworld.Greeter.SayHello SERVER",
        said: &["--cacert none.pem cannot be read", "PEM"],
    },
    Mistake {
        what: "a certificate that is none",
        line: "ghz --cacert greeter.proto --proto greeter.proto --call helloworld.Greeter.SayHello SERVER",
        said: &["--cacert", "BEGIN CERTIFICATE"],
    },
    Mistake {
        what: "a report that cannot be written",
        line: greet!("-o none/report.json"),
        said: &["--output none/report.json cannot be written", "folder"],
    },
    Mistake {
        what: "a certificate without its key",
        line: "ghz --cert client.pem --call a.B/C SERVER",
        said: &["--cert is given without --key"],
    },
    Mistake {
        what: "more connections than workers",
        line: greet!("--connections 5"),
        said: &["--connections 5", "1 workers of --concurrency"],
    },
    Mistake {
        what: "more skipped than made",
        line: greet!("--skipFirst 5"),
        said: &["--skipFirst 5", "--total"],
    },
    Mistake {
        what: "steps that lead nowhere",
        line: greet!(
            "--load-schedule step --load-start 50 --load-end 100 --load-step=-5 --load-step-duration 1s"
        ),
        said: &["--load-step -5 never leads from --load-start 50 to --load-end 100"],
    },
    Mistake {
        what: "steps without a length",
        line: greet!("--load-schedule step --load-start 50 --load-step 5"),
        said: &["--load-step-duration is missing"],
    },
    Mistake {
        what: "a schedule that changes nothing",
        line: greet!("--concurrency-schedule line --concurrency-step 0"),
        said: &["--concurrency-step is missing or 0"],
    },
    Mistake {
        what: "waiting and not waiting",
        line: greet!("-r 5 --closed-loop --async"),
        said: &["--closed-loop and --async"],
    },
    Mistake {
        what: "a closed loop without a rate",
        line: greet!("--closed-loop"),
        said: &["--closed-loop is given without a rate"],
    },
    Mistake {
        what: "encoded messages made anew",
        line: greet!("-B hello.bin --stream-dynamic-messages"),
        said: &["--stream-dynamic-messages is given with encoded messages"],
    },
    Mistake {
        what: "a setting that is unknown",
        line: "ghz --config unknown.json",
        said: &["unknown.json: \"concurency\" is no setting", "did you mean \"concurrency\"?"],
    },
    Mistake {
        what: "a setting of another type",
        line: "ghz --config wrong.toml",
        said: &["wrong.toml: timeout", "\"foo\" is not a duration"],
    },
    Mistake {
        what: "settings that are no TOML",
        line: "ghz --config broken.toml",
        said: &["broken.toml:2:"],
    },
    Mistake {
        what: "settings that are YAML",
        line: "ghz --config config.yaml",
        said: &["neither a .json nor a .toml"],
    },
    Mistake {
        what: "tags that are none",
        line: greet!("--tags '{\"env\":1}'"),
        said: &["--tags", "JSON object of strings"],
    },
    Mistake {
        what: "a strategy that is unknown",
        line: greet!("--lb-strategy least_busy"),
        said: &["--lb-strategy \"least_busy\"", "round_robin"],
    },
    Mistake { what: "a threshold that is none", line: greet!("--fail-if 'p99>'"), said: &["--fail-if"] },
];

#[test]
fn every_mistake_is_told_with_its_place_and_its_remedy() {
    let server = Called::start(&Setup::default());
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
    for mistake in MISTAKES {
        let output = folder.run(&mistake.line.replace("SERVER", &server.address.to_string()), b"");
        let said = String::from_utf8_lossy(&output.stderr);
        let missing: Vec<&&str> = mistake.said.iter().filter(|part| !said.contains(**part)).collect();
        if output.status.code() != Some(2) || !missing.is_empty() {
            failures.push(format!("--- {}: {}, without {missing:?}\n{said}", mistake.what, output.status));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), MISTAKES.len(), failures.join("\n"));
}

fn error(folder: &Folder, line: &str) -> String {
    let output = folder.run(line, b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = Folder::new(&Certificates::new());
    for definition in ["--proto greeter.proto", ""] {
        let said = error(
            &folder,
            &format!("ghz --insecure {definition} --call helloworld.Greeter.SayHello {address}"),
        );
        assert!(said.contains(&address.to_string()) && said.contains("is the server running"), "{said}");
    }
    let said = error(
        &folder,
        "ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello nobody.invalid:5",
    );
    assert!(said.contains("nobody.invalid") && said.contains("spelling"), "{said}");
}

#[test]
fn tls_with_a_server_in_plain_text_is_told() {
    let server = Called::start(&Setup::default());
    let folder = Folder::new(&Certificates::new());
    let line = format!("ghz --proto greeter.proto --call helloworld.Greeter.SayHello {}", server.address);
    let said = error(&folder, &line);
    assert!(said.contains("TLS with 127.0.0.1:") && said.contains("--insecure"), "{said}");
}

#[test]
fn plain_text_with_a_server_that_wants_tls_is_told() {
    let certificates = Certificates::new();
    let server = Called::start(&Setup { tls: Some(&certificates), ..Setup::default() });
    let line =
        format!("ghz --insecure --proto greeter.proto --call helloworld.Greeter.SayHello {}", server.address);
    let said = error(&Folder::new(&certificates), &line);
    assert!(said.contains("HTTP/2") && said.contains("leave --insecure out"), "{said}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_told() {
    let certificates = Certificates::new();
    let server = Called::start(&Setup { tls: Some(&certificates), ..Setup::default() });
    let folder = Folder::new(&Certificates::new());
    let line = format!("ghz --proto greeter.proto --call helloworld.Greeter.SayHello {}", server.address);
    let said = error(&folder, &line);
    assert!(
        said.contains("invalid peer certificate") && said.contains("--cacert") && said.contains("--skipTLS"),
        "{said}"
    );
}
