//! Calls by method and status, in the words of OpenTelemetry's semantic conventions.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use inrush_proto::FILE_DESCRIPTOR_SET;
use inrush_runtime::telemetry::{Family, Histogram, Metrics, Recorder};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use super::{CoreCounts, Counted, Present};
use crate::health::SERVICES;

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

const SYSTEM: &str = "rpc.system.name";
const METHOD: &str = "rpc.method";
const STATUS: &str = "rpc.response.status_code";
const ERROR: &str = "error.type";

pub(super) const DURATION: Family = Family::times(
    "rpc.server.call.duration",
    BUCKETS,
    &[SYSTEM, METHOD, STATUS, ERROR],
    "Time from a call's head to the end of its answer, by method and status; error_type is there if the status is a \
     server's error",
);

/// The method of calls that nobody serves: their names are the callers' to choose, without end.
const OTHER: &str = "_OTHER";

/// All status codes, in the order of their numbers, with the names that the conventions give them.
const CODES: [(&str, IsError); 17] = [
    ("OK", IsError::No),
    ("CANCELLED", IsError::No),
    ("UNKNOWN", IsError::Yes),
    ("INVALID_ARGUMENT", IsError::No),
    ("DEADLINE_EXCEEDED", IsError::Yes),
    ("NOT_FOUND", IsError::No),
    ("ALREADY_EXISTS", IsError::No),
    ("PERMISSION_DENIED", IsError::No),
    ("RESOURCE_EXHAUSTED", IsError::No),
    ("FAILED_PRECONDITION", IsError::No),
    ("ABORTED", IsError::No),
    ("OUT_OF_RANGE", IsError::No),
    ("UNIMPLEMENTED", IsError::Yes),
    ("INTERNAL", IsError::Yes),
    ("UNAVAILABLE", IsError::Yes),
    ("DATA_LOSS", IsError::Yes),
    ("UNAUTHENTICATED", IsError::No),
];

/// Whether a status says that the server failed, and not its caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsError {
    No,
    Yes,
}

/// The calls of a node. Clones share them.
#[derive(Clone)]
pub(super) struct Calls {
    durations: Histogram,
    /// The methods that are served, by the path of their calls, each with its place among the series.
    methods: Arc<HashMap<String, usize>>,
}

/// One core's way to record calls.
pub(crate) struct CallRecorder {
    durations: Recorder,
    methods: Arc<HashMap<String, usize>>,
    counts: Arc<CoreCounts>,
}

/// A call that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    method: usize,
    at: Instant,
}

/// A call on its way to an answer. Dropped before, its caller has hung up.
pub(crate) struct Underway<'a> {
    recorder: &'a CallRecorder,
    begun: Begun,
    is_over: bool,
    counted: Option<Counted>,
}

impl Calls {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let names = served_methods();
        let all = names.iter().map(String::as_str).chain([OTHER]);
        let series = all.flat_map(|method| CODES.iter().map(move |code| labels(method, *code)));
        let durations = metrics.histogram(&DURATION, series.collect());
        let paths = names.into_iter().enumerate().map(|(index, name)| (format!("/{name}"), index));
        Self { durations, methods: Arc::new(paths.collect()) }
    }

    pub(super) fn recorder(&self, counts: Arc<CoreCounts>) -> CallRecorder {
        CallRecorder { durations: self.durations.recorder(), methods: Arc::clone(&self.methods), counts }
    }
}

impl CallRecorder {
    /// A call of `path` has begun.
    pub(crate) fn begin(&self, path: &str) -> Begun {
        // Behind the last method that is served are those that are not.
        let method = self.methods.get(path).copied().unwrap_or(self.methods.len());
        Begun { method, at: Instant::now() }
    }

    /// The call is being answered from here on.
    pub(crate) fn attend(&self, begun: Begun) -> Underway<'_> {
        Underway { recorder: self, begun, is_over: false, counted: Some(self.counts.count(Present::Calls)) }
    }

    /// The call is over.
    pub(crate) fn end(&self, begun: Begun, code: Code) {
        let code = usize::try_from(i32::from(code)).unwrap_or_default();
        self.durations.time(begun.method * CODES.len() + code, begun.at.elapsed());
    }
}

impl Underway<'_> {
    /// It is not among the calls in flight any more, though it goes on.
    pub(crate) fn rest(&mut self) {
        self.counted = None;
    }

    /// It was answered.
    pub(crate) fn end(mut self, code: Code) {
        self.is_over = true;
        self.recorder.end(self.begun, code);
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.recorder.counts.cancelled();
            self.recorder.end(self.begun, Code::Cancelled);
        }
    }
}

fn labels(method: &str, (code, is_error): (&str, IsError)) -> Vec<(&'static str, String)> {
    let mut labels =
        vec![(SYSTEM, "grpc".to_owned()), (METHOD, method.to_owned()), (STATUS, code.to_owned())];
    if is_error == IsError::Yes {
        labels.push((ERROR, code.to_owned()));
    }
    labels
}

/// The methods of all services here, as `package.Service/Method`. Descriptors that cannot be read, which are made when this is
/// compiled, have none: their calls are then among the others.
fn served_methods() -> Vec<String> {
    use tonic_reflection::pb::{v1, v1alpha};
    let mut methods = methods_of(FILE_DESCRIPTOR_SET);
    methods.retain(|method| SERVICES.iter().any(|service| method.starts_with(&format!("{service}/"))));
    for descriptors in
        [tonic_health::pb::FILE_DESCRIPTOR_SET, v1::FILE_DESCRIPTOR_SET, v1alpha::FILE_DESCRIPTOR_SET]
    {
        methods.extend(methods_of(descriptors));
    }
    methods
}

fn methods_of(descriptors: &[u8]) -> Vec<String> {
    let files = FileDescriptorSet::decode(descriptors).unwrap_or_default().file;
    let methods = files.iter().flat_map(|file| {
        file.service.iter().flat_map(move |service| {
            service
                .method
                .iter()
                .map(move |method| format!("{}.{}/{}", file.package(), service.name(), method.name()))
        })
    });
    methods.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name() {
        for (number, (name, _)) in (0..).zip(CODES) {
            let camel = format!("{:?}", Code::from(number)).to_lowercase();
            assert_eq!(camel, name.replace('_', "").to_lowercase());
        }
    }

    #[test]
    fn all_that_is_served_is_known_by_name_and_nothing_else() {
        let methods = served_methods();
        for method in [
            "inrush.v1.QueueService/Enqueue",
            "inrush.v1.SaleAdminService/CreateSale",
            "inrush.v1.SettlementService/ReleaseOrder",
            "grpc.health.v1.Health/Check",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(methods.iter().any(|known| known == method), "{method} is missing in {methods:?}");
        }
        assert!(!methods.iter().any(|method| method.contains("OrderCreation")), "{methods:?}");
    }

    #[test]
    fn calls_are_told_by_method_and_status() {
        let metrics = Metrics::default();
        let recorder = Calls::register(&metrics).recorder(Arc::default());
        let call = |path, code| recorder.attend(recorder.begin(path)).end(code);
        call("/inrush.v1.QueueService/Enqueue", Code::Ok);
        call("/inrush.v1.QueueService/Enqueue", Code::Unavailable);
        call("/made/up", Code::Unimplemented);
        drop(recorder.attend(recorder.begin("/grpc.health.v1.Health/Check")));
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
