use std::net::TcpListener;
use std::time::{Duration, Instant};

use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Context, KeyValue};

use super::*;
use inrush_runtime::connection_url::ConnectionUrl;

mod receiver;

use self::receiver::Receiver;

const SERVICE: Service = Service { name: "inrush-front", version: "1.2.3" };
const SHED: MetricDef = MetricDef::counter("inrush.calls_shed", "{call}", &["reason"], "Calls refused");
const LATENCY: MetricDef = MetricDef::duration_histogram(
    "rpc.server.call.duration",
    &[Duration::from_millis(5)],
    &["rpc.method"],
    "How long",
);

fn parts(endpoint: &str) -> Parts {
    let settings = TelemetrySettings {
        otlp_endpoint: Some(ConnectionUrl::new(endpoint)),
        sampling_ratio: 1.0,
        ..TelemetrySettings::default()
    };
    Parts::build(SERVICE, &settings).unwrap()
}

/// Records something of each kind.
fn record(parts: &Parts) {
    parts.metrics.counter(&SHED, |observer| observer.observe(3, &[("reason", "queue_wait")]));
    let series = vec![vec![("rpc.method", "a/B".to_owned())]];
    parts.metrics.histogram(&LATENCY, series).recorder().record_duration(0, Duration::from_millis(7));
    let tracer = parts.traces.as_ref().unwrap().tracer();
    let mut span = tracer.start_with_context("a/B", &Context::new());
    span.set_attribute(KeyValue::new("rpc.method", "a/B"));
}

#[test]
fn without_a_collector_nothing_is_exported_and_metrics_have_a_text() {
    let Parts { metrics, traces, export } = Parts::build(SERVICE, &TelemetrySettings::default()).unwrap();
    assert!(traces.is_none() && export.is_none());
    metrics.counter(&SHED, |observer| observer.observe(3, &[("reason", "queue_wait")]));
    assert!(metrics.text().unwrap().contains("inrush_calls_shed_total{reason=\"queue_wait\"} 3"));
}

#[test]
fn everything_is_exported_at_the_latest_when_the_process_ends() {
    let receiver = Receiver::start();
    let parts = parts(receiver.url());
    record(&parts);
    let export = parts.export.unwrap();
    logs::tests::log_to(&export.logs, || tracing::warn!(sale = "phone", "sale held"));
    export.flush();

    let received = receiver.received();
    for resource in &received.resources {
        assert_eq!(resource.get("service.name").map(String::as_str), Some("inrush-front"));
        assert_eq!(resource.get("service.version").map(String::as_str), Some("1.2.3"));
    }
    assert_eq!(received.spans, ["a/B"]);
    assert_eq!(received.logs, ["sale held"]);
    assert_eq!(received.counters.get("inrush.calls_shed"), Some(&3));
    let latency = &received.histograms["rpc.server.call.duration"];
    assert_eq!((latency.unit.as_str(), &latency.bounds[..]), ("s", &[0.005][..]));
    assert_eq!(latency.counts, [0, 1]);
    assert!((latency.sum - 0.007).abs() < 1e-9, "{}", latency.sum);
}

/// Longer than any flush takes on a machine that is busy with other tests.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn flushing_ends_without_a_collector() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unresponsive = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [closed, unresponsive.local_addr().unwrap()] {
        let parts = parts(&format!("http://{address}"));
        let started = Instant::now();
        record(&parts);
        parts.export.unwrap().flush();
        assert!(started.elapsed() < FLUSH_LIMIT, "{address}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn telemetry_can_be_dropped_on_a_runtime() {
    let receiver = tokio::task::spawn_blocking(Receiver::start).await.unwrap();
    drop(parts(receiver.url()));
}

#[test]
fn only_an_invalid_setting_is_a_usage_error() {
    let level = TelemetryError::InvalidLevel { level: "loud".to_owned(), reason: "unknown".to_owned() };
    assert!(level.is_usage());
    assert!(!TelemetryError::AlreadyStarted.is_usage());
}
