//! A run for tests: 1,000 calls, 100 a second, with latencies of 1 to 10 ms in no order. Ten of them failed, two were
//! sent late, five never.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::json;

use super::Report;
use crate::measure::{Call, Code, Recorder, RecorderSettings, Results};

const WIDTH: Duration = Duration::from_millis(250);

/// The text of the errors, which is not nice to any format.
pub const ERROR: &str = "rpc error: code = Unavailable desc = \"no\", </script><b>x\\y\nz";

/// The run.
pub fn results() -> Results {
    let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
    let settings = RecorderSettings {
        started,
        open_loop: true,
        warm_up: Duration::ZERO,
        skip_first: 0,
        interval: WIDTH,
        details: 2_000,
    };
    let mut recorder = Recorder::new(settings);
    let mut parts = Vec::new();
    for number in 0..1_000 {
        let planned = Duration::from_millis(10 * number);
        let latency = Duration::from_micros(1_000 + 9 * (number * 617 % 1_000));
        let late = matches!(number, 2 | 402);
        let sent = planned + if late { Duration::from_micros(5_100) } else { Duration::ZERO };
        let failed = number % 100 == 50;
        recorder.sent(sent);
        parts.extend(recorder.turn(planned));
        recorder.ended(&Call {
            number,
            planned,
            sent,
            ended: planned + latency,
            code: if failed { Code::Unavailable } else { Code::Ok },
            error: if failed { ERROR } else { "" },
            bytes_sent: 10,
            bytes_received: if failed { 0 } else { 20 },
        });
    }
    let (mut results, last) = recorder.finish(Duration::from_secs(10));
    results.unsent = 5;
    parts.iter().chain([&last]).for_each(|part| results.timeline.add(part));
    results.processor_time = Duration::from_millis(20);
    results
}

/// The run with what it was asked to do.
pub fn report() -> Report {
    let options = json!({
        "call": "greet.Greeter.Hello", "host": "127.0.0.1:50051", "proto": "greet.proto", "import-paths": ["a", "b"],
        "insecure": true, "load-schedule": "const", "load-start": 0, "load-end": 0, "load-step": 0,
        "load-step-duration": 0, "load-max-duration": 0, "concurrency": 50, "concurrency-schedule": "const",
        "concurrency-start": 0, "concurrency-end": 0, "concurrency-step": 0, "concurrency-step-duration": 0,
        "concurrency-max-duration": 0, "total": 1000, "rps": 100, "connections": 1, "duration": 0,
        "timeout": 20_000_000_000_u64, "dial-timeout": 10_000_000_000_u64, "data": {"name": "Bob Smith"},
        "binary": false, "metadata": {"trace": "a=b, c"}, "CPUs": 2,
    });
    Report {
        name: Some("greet <fast> & \"often\"".to_owned()),
        host: "127.0.0.1:50051".to_owned(),
        call: "greet.Greeter.Hello".to_owned(),
        options: options.as_object().cloned().unwrap_or_default(),
        tags: BTreeMap::from([("env".to_owned(), "staging".to_owned())]),
        count_errors: false,
        results: results(),
    }
}
