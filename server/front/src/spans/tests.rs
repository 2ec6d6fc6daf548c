use inrush_telemetry::TelemetrySettings;
use opentelemetry_sdk::{
    Resource,
    trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor, SpanData},
};

use super::*;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

struct Bench {
    spans: Spans,
    /// What would be sent to a collector.
    sent: InMemorySpanExporter,
    _provider: SdkTracerProvider,
}

impl Bench {
    fn new(sampling_ratio: f64) -> Self {
        let settings = TelemetrySettings { sampling_ratio, ..TelemetrySettings::default() };
        let sent = InMemorySpanExporter::default();
        let processor = SimpleSpanProcessor::new(sent.clone());
        let (traces, provider) =
            Traces::with_processor(&settings, Resource::builder_empty().build(), processor);
        Self { spans: Spans::new(Some(traces)), sent, _provider: provider }
    }

    /// A call from its beginning to its end.
    fn call(&self, caller: Option<&str>, method: Method, code: Code, took: Duration) -> CallTrace {
        let call_trace = self.spans.begin(method, &headers(caller));
        self.spans.end(&call_trace, method, code, took);
        call_trace
    }

    fn sent(&self) -> Vec<SpanData> {
        let sent = self.sent.get_finished_spans().unwrap();
        self.sent.reset();
        sent
    }
}

fn headers(caller: Option<&str>) -> HeaderMap {
    caller.map(|text| ("traceparent".parse().unwrap(), text.parse().unwrap())).into_iter().collect()
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}

const QUICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(1001);

#[test]
fn a_call_traced_by_its_caller_has_a_child_span() {
    let bench = Bench::new(0.0);
    let caller = format!("{CALLER}-01");
    let call_trace = bench.call(Some(&caller), Method::ENQUEUE, Code::Ok, QUICK);
    let sent = bench.sent();
    let [span] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(span.name, "inrush.v1.QueueService/Enqueue");
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(call_trace.trace(), Some((&span.span_context).into()), "what is done for it belongs below it");
    assert_eq!(attribute(span, "rpc.system.name").as_deref(), Some("grpc"));
    assert_eq!(attribute(span, "rpc.method").as_deref(), Some("inrush.v1.QueueService/Enqueue"));
    assert_eq!(attribute(span, "rpc.response.status_code").as_deref(), Some("OK"));
    assert_eq!((attribute(span, "error.type"), attribute(span, SAMPLING_REASON)), (None, None));
}

#[test]
fn the_callers_sampling_decision_overrides_the_ratio() {
    let all = Bench::new(1.0);
    let caller = format!("{CALLER}-00");
    assert!(all.call(Some(&caller), Method::ENQUEUE, Code::Ok, QUICK).trace().is_none());
    assert!(all.sent().is_empty());
    assert!(all.call(None, Method::ENQUEUE, Code::Ok, QUICK).trace().is_some());
    assert_eq!(all.sent().len(), 1);
    assert!(all.call(Some("nonsense"), Method::ENQUEUE, Code::Ok, QUICK).trace().is_some());
}

#[test]
fn calls_without_traceparent_are_sampled_by_the_ratio() {
    let bench = Bench::new(0.1);
    let traced = (0..1000).filter(|_| bench.call(None, Method::ENQUEUE, Code::Ok, QUICK).trace().is_some());
    let traced = traced.count();
    assert!((95..=105).contains(&traced), "{traced}");
    let sent = bench.sent();
    assert_eq!(sent.len(), traced);
    let mut traces: Vec<_> = sent.iter().map(|span| span.span_context.trace_id().to_bytes()).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), traced, "each is a trace of its own");
}

#[test]
fn only_server_errors_are_error_spans() {
    let bench = Bench::new(1.0);
    for code in (0..17).map(Code::from) {
        bench.call(None, Method::POLL_STATUS, code, QUICK);
        let sent = bench.sent();
        let [span] = &sent[..] else { panic!("{sent:?}") };
        let name = code_name(code).to_owned();
        assert_eq!(attribute(span, "rpc.response.status_code").as_ref(), Some(&name));
        let is_error =
            ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]
                .contains(&name.as_str());
        assert_eq!(attribute(span, "error.type"), is_error.then_some(name.clone()), "{name}");
        assert_eq!(matches!(span.status, Status::Error { .. }), is_error, "{name}");
    }
}

#[test]
fn failed_and_slow_calls_force_a_span_with_its_real_start() {
    let bench = Bench::new(0.0);
    bench.call(None, Method::ENQUEUE, Code::Ok, QUICK);
    bench.call(None, Method::ENQUEUE, Code::NotFound, QUICK);
    let watch = Method::of("/inrush.v1.QueueService/WatchStatus");
    bench.call(None, watch, Code::Ok, LONG);
    assert!(bench.sent().is_empty(), "a watch takes as long as it takes");
    let before = SystemTime::now();
    let caller = format!("{CALLER}-00");
    for (code, took, reason) in [(Code::Unavailable, QUICK, "error"), (Code::Cancelled, LONG, "slow")] {
        let call_trace = bench.call(Some(&caller), Method::ENQUEUE, code, took);
        assert!(call_trace.trace().is_none(), "nothing is below it");
        let sent = bench.sent();
        let [span] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(attribute(span, SAMPLING_REASON).as_deref(), Some(reason));
        assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), took);
        assert!(span.end_time >= before);
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    }
}

#[test]
fn forced_spans_are_rate_limited() {
    let bench = Bench::new(0.0);
    for _ in 0..1000 {
        bench.call(None, Method::ENQUEUE, Code::Unavailable, LONG);
    }
    let forced = bench.sent().len();
    // If the machine stalls, each second of that allows ten more.
    assert!((10..1000).contains(&forced), "{forced}");
}

#[test]
fn without_an_exporter_the_callers_trace_is_passed_on() {
    let spans = Spans::new(None);
    let trace = |caller: &str| spans.begin(Method::ENQUEUE, &headers(Some(caller))).trace();
    let passed = trace(&format!("{CALLER}-01")).unwrap();
    assert_eq!(passed.span_context().span_id().to_string(), "00f067aa0ba902b7");
    assert_eq!(trace(&format!("{CALLER}-00")), None);
    assert_eq!(spans.begin(Method::ENQUEUE, &HeaderMap::new()).trace(), None);
}

const CALLS: u32 = 100_000;

fn sampled(ratio: f64, seed: u64, every: usize) -> u32 {
    let sampler = RatioSampler::new(ratio, seed);
    let calls = (0..CALLS * u32::try_from(every).unwrap()).map(|_| sampler.sample());
    calls.step_by(every).map(u32::from).sum()
}

#[test]
fn the_ratio_is_exact_within_a_few_for_any_seed() {
    for ratio in [0.001, 0.01, 0.1, 0.25, 0.5, 0.999] {
        for seed in [0, 1, STEP, u64::MAX / 3, u64::MAX] {
            let expected = ratio * f64::from(CALLS);
            let sampled = f64::from(sampled(ratio, seed, 1));
            assert!((sampled - expected).abs() <= 5.0, "{ratio} from {seed}: {sampled}");
        }
    }
}

#[test]
fn every_nth_call_is_sampled_at_the_same_ratio() {
    for every in [2, 3, 5, 8, 10, 13, 21] {
        let sampled = f64::from(sampled(0.1, 7, every));
        assert!((sampled - 10_000.0).abs() <= 25.0, "every {every}th: {sampled}");
    }
}

#[test]
fn ratios_zero_and_one_are_exact() {
    assert_eq!(sampled(0.0, u64::MAX, 1), 0);
    assert_eq!(sampled(1.0, u64::MAX, 1), CALLS);
}
