//! Calls by method and status, as OpenTelemetry's semantic conventions define them.

use std::time::Duration;

use inrush_proto::{code_name, is_server_error};
use inrush_telemetry::{Histogram, MetricDef, Metrics, Recorder};
use tonic::Code;

use crate::call::Method;

/// The buckets that the conventions ask for.
const BUCKETS: &[Duration] = &[
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(75),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_millis(7500),
    Duration::from_secs(10),
];

/// How many status codes there are.
const CODES: usize = 17;

const SYSTEM: &str = "rpc.system.name";
const METHOD: &str = "rpc.method";
const STATUS: &str = "rpc.response.status_code";
const ERROR: &str = "error.type";

pub(super) const DURATION: MetricDef = MetricDef::duration_histogram(
    "rpc.server.call.duration",
    BUCKETS,
    &[SYSTEM, METHOD, STATUS, ERROR],
    "Time from the headers of a call to the end of its response, by method and status; error_type is set if the status \
     is a server error",
);

/// The calls of a node. Clones share them.
#[derive(Clone)]
pub(super) struct Calls(Histogram);

/// Records the durations of the calls of one core.
pub(crate) struct CallDurations(Recorder);

impl Calls {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let series = Method::all().flat_map(|method| codes().map(move |code| labels(method, code)));
        Self(metrics.histogram(&DURATION, series.collect()))
    }

    pub(super) fn durations(&self) -> CallDurations {
        CallDurations(self.0.recorder())
    }
}

impl CallDurations {
    /// Records a call that has ended.
    pub(crate) fn record(&self, method: Method, code: Code, took: Duration) {
        self.0.record_duration(method.index() * CODES + code as usize, took);
    }
}

/// All codes, each at its number.
fn codes() -> impl Iterator<Item = Code> {
    (0..).take(CODES).map(Code::from)
}

fn labels(method: Method, code: Code) -> Vec<(&'static str, String)> {
    let name = || code_name(code).to_owned();
    let mut labels = vec![(SYSTEM, "grpc".to_owned()), (METHOD, method.name().to_owned()), (STATUS, name())];
    if is_server_error(code) {
        labels.push((ERROR, name()));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_index() {
        for (position, code) in codes().enumerate() {
            assert_eq!(code as usize, position);
        }
        assert_eq!(Code::from(17), Code::Unknown, "there is no other");
    }

    #[test]
    fn durations_are_recorded_by_method_and_status() {
        let metrics = Metrics::default();
        let durations = Calls::register(&metrics).durations();
        for (path, code) in [
            ("/inrush.v1.QueueService/Enqueue", Code::Ok),
            ("/inrush.v1.QueueService/Enqueue", Code::Unavailable),
            ("/made/up", Code::Unimplemented),
            ("/grpc.health.v1.Health/Check", Code::Cancelled),
        ] {
            durations.record(Method::of(path), code, Duration::from_millis(1));
        }
        let text = metrics.text().unwrap();
        let count = "rpc_server_call_duration_seconds_count";
        for series in [
            r#"{rpc_system_name="grpc",rpc_method="inrush.v1.QueueService/Enqueue",rpc_response_status_code="OK"} 1"#,
            r#"{rpc_system_name="grpc",rpc_method="inrush.v1.QueueService/Enqueue",rpc_response_status_code="UNAVAILABLE",error_type="UNAVAILABLE"} 1"#,
            r#"{rpc_system_name="grpc",rpc_method="_OTHER",rpc_response_status_code="UNIMPLEMENTED",error_type="UNIMPLEMENTED"} 1"#,
            r#"{rpc_system_name="grpc",rpc_method="grpc.health.v1.Health/Check",rpc_response_status_code="CANCELLED"} 1"#,
        ] {
            assert!(text.contains(&format!("{count}{series}")), "{series} is missing in\n{text}");
        }
    }
}
