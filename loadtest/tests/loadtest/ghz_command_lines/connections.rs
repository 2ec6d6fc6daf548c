//! Connections and security.

use super::Line;

pub(super) fn lines() -> Vec<Line> {
    vec![
        Line::new(
            "examples.md, custom number of connections",
            r#"ghz --proto ./greeter.proto \
  --call helloworld.Greeter.SayHello \
  -d '{"name":"Joe"}' \
  -n 200 \
  -c 20 \
  --connections=10 \
  0.0.0.0:50051"#,
            |outcome| {
                assert_eq!(outcome.all_succeeded(200).options.connections, Some(10));
                assert_eq!(outcome.connections, 10);
            },
        )
        .gathering(20),
        Line::new(
            "options.md, --cacert and --cname",
            r#"unset SSL_CERT_FILE; ghz --cacert ./ca.pem --cname greeter.test --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let options = outcome.all_succeeded(5).options;
                assert_eq!(options.cacert.as_deref(), Some("./ca.pem"));
                assert_eq!(options.cname.as_deref(), Some("greeter.test"));
            },
        ),
        Line::new(
            "options.md, --skipTLS",
            r#"unset SSL_CERT_FILE; ghz --skipTLS --cname somebody.else --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| assert!(outcome.all_succeeded(5).options.skip_tls),
        ),
        Line::new(
            "options.md, --cert and --key",
            r#"ghz --cacert ./ca.pem --cert ./client.pem --key ./client.key --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let options = outcome.all_succeeded(5).options;
                assert_eq!((options.cert.as_deref(), options.key.as_deref()), (Some("./client.pem"), Some("./client.key")));
            },
        )
        .mutual(),
        Line::new(
            "options.md, --authority",
            r#"ghz --insecure --authority greeter.test --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                assert_eq!(outcome.all_succeeded(5).options.authority.as_deref(), Some("greeter.test"));
                assert!(outcome.calls.iter().all(|call| call.authority == "greeter.test"));
            },
        ),
        Line::new(
            "options.md, --enable-compression",
            r#"ghz --insecure -e --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"JoeJoeJoeJoeJoeJoeJoeJoe"}' 0.0.0.0:50051"#,
            |outcome| {
                assert!(outcome.all_succeeded(5).options.enable_compression);
                assert_eq!(outcome.header("grpc-encoding"), ["gzip"; 5]);
                assert_eq!(outcome.values("name"), ["JoeJoeJoeJoeJoeJoeJoeJoe"; 5]);
            },
        ),
        Line::new(
            "options.md, --lb-strategy",
            r#"ghz --insecure --lb-strategy "round_robin" --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"Joe"}' dns:///0.0.0.0:50051"#,
            |outcome| {
                outcome.all_succeeded(5);
            },
        ),
        Line::new(
            "options.md, --max-recv-message-size",
            r#"ghz --insecure --max-recv-message-size "10 B" --max-send-message-size "42 MB" --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 1 -d '{"name":"somebody with a long name"}' 0.0.0.0:50051"#,
            |outcome| {
                let report = outcome.report();
                assert_eq!(report.status_code_distribution.get("ResourceExhausted"), Some(&5), "{report:?}");
            },
        ),
        Line::new(
            "options.md, --connect-timeout, --keepalive and --cpus",
            r#"ghz --insecure --connect-timeout 5s --keepalive 1m30s --cpus 1 --proto ./greeter.proto --call helloworld.Greeter.SayHello -n 5 -c 2 -d '{"name":"Joe"}' 0.0.0.0:50051"#,
            |outcome| {
                let options = outcome.all_succeeded(5).options;
                assert_eq!((options.dial_timeout, options.keepalive), (Some(5_000_000_000), Some(90_000_000_000)));
                assert_eq!((options.cpus, outcome.connections), (1, 1));
            },
        ),
    ]
}
