//! The metrics of a process: their registration, and their text for Prometheus.
//!
//! A component registers a [`MetricDef`] with a closure that reports its current values. The closures run when metrics are
//! scraped or exported, and never while a call is served.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use parking_lot::Mutex;
use prometheus::{Registry, TextEncoder};

use super::collector::Reader;
use super::histogram::Histogram;
use super::histogram::prometheus::Registered;
use super::label_limiter::LabelLimiter;
use super::metric_def::{Buckets, MetricDef, MetricKind};
use super::settings::TelemetrySettings;
use super::sharded_counter::ShardedCounter;

/// The name of the instrumentation scope.
const SCOPE: &str = "inrush";

/// Series of a metric for each sale with series of its own: more than the other labels of any metric have values.
const MAX_SERIES_PER_SALE: usize = 16;

/// Series of a metric that are not of a sale.
const MAX_OTHER_SERIES: usize = 256;

/// Where metrics are registered. Clones share everything.
#[derive(Clone, Debug)]
pub struct Metrics {
    meter: Meter,
    provider: SdkMeterProvider,
    registry: Registry,
    histograms: Histograms,
    limiter: LabelLimiter,
}

/// All histograms of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Histograms {
    all: Arc<Mutex<Vec<Histogram>>>,
}

/// Receives the current values of a metric.
pub struct Observer<'a, T> {
    observer: &'a dyn AsyncInstrument<T>,
}

impl Metrics {
    /// An empty registry. `reader` exports to a collector; [`Self::text`] works with and without it.
    pub(super) fn new(
        settings: &TelemetrySettings,
        resource: Resource,
        histograms: Histograms,
        reader: Option<Reader>,
    ) -> Self {
        let registry = Registry::new();
        let max_series = settings.max_sales * MAX_SERIES_PER_SALE + MAX_OTHER_SERIES;
        let mut provider = SdkMeterProvider::builder().with_resource(resource).with_view(
            // The SDK's default limit is below the highest `max_sales`.
            move |_: &Instrument| Stream::builder().with_cardinality_limit(max_series).build().ok(),
        );
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            // Prometheus labels its targets itself.
            .without_target_info();
        match exporter.build() {
            Ok(exporter) => provider = provider.with_reader(exporter),
            Err(error) => tracing::error!(%error, "cannot register the Prometheus exporter, a defect"),
        }
        if let Some(reader) = reader {
            provider = provider.with_reader(reader);
        }
        let provider = provider.build();
        let meter = provider.meter(SCOPE);
        Self { meter, provider, registry, histograms, limiter: LabelLimiter::new(settings.max_sales) }
    }

    /// Registers a counter.
    pub fn counter(&self, metric: &MetricDef, read: impl Fn(&Observer<'_, u64>) + Send + Sync + 'static) {
        let instrument = self.meter.u64_observable_counter(metric.name).with_unit(metric.unit);
        instrument
            .with_description(metric.help)
            .with_callback(move |observer| read(&Observer { observer }))
            .build();
    }

    /// Registers a gauge.
    pub fn gauge(&self, metric: &MetricDef, read: impl Fn(&Observer<'_, f64>) + Send + Sync + 'static) {
        let instrument = self.meter.f64_observable_gauge(metric.name).with_unit(metric.unit);
        instrument
            .with_description(metric.help)
            .with_callback(move |observer| read(&Observer { observer }))
            .build();
    }

    /// Registers a histogram with a fixed list of series. If it is registered already, returns that one with its series.
    #[must_use]
    pub fn histogram(&self, metric: &MetricDef, series: Vec<Vec<(&'static str, String)>>) -> Histogram {
        let mut all = self.histograms.all.lock();
        if let Some(registered) = all.iter().find(|histogram| histogram.def().name == metric.name) {
            return registered.clone();
        }
        let buckets = match metric.kind {
            MetricKind::Histogram(buckets) => buckets,
            MetricKind::Counter | MetricKind::Gauge => Buckets::Counts(&[]),
        };
        let labels = |labels: Vec<(&'static str, String)>| {
            labels.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
        };
        let histogram = Histogram::new(*metric, buckets, series.into_iter().map(labels).collect());
        let registered = Registered::new(histogram.clone())
            .and_then(|registered| self.registry.register(Box::new(registered)));
        if let Err(error) = registered {
            tracing::error!(%error, metric = metric.name, "cannot register a histogram in Prometheus, a defect");
        }
        all.push(histogram.clone());
        histogram
    }

    /// A counter with `columns` counts for each value of a label. All counters of the process share one limit of values.
    #[must_use]
    pub fn sharded_counter(&self, columns: usize) -> ShardedCounter {
        ShardedCounter::new(self.limiter.clone(), columns)
    }

    /// The label values that have series of their own in this process.
    #[must_use]
    pub fn label_limiter(&self) -> &LabelLimiter {
        &self.limiter
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// If a metric cannot be encoded: a defect.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    pub(super) fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }
}

impl Default for Metrics {
    /// Metrics with default settings, without a collector.
    fn default() -> Self {
        let resource = Resource::builder_empty().build();
        Self::new(&TelemetrySettings::default(), resource, Histograms::default(), None)
    }
}

impl Histograms {
    /// The histograms registered so far.
    pub(super) fn all(&self) -> Vec<Histogram> {
        self.all.lock().clone()
    }
}

impl<T> Observer<'_, T> {
    /// Reports the current value of the series with these labels.
    pub fn observe(&self, value: T, labels: &[(&'static str, &str)]) {
        let labels: Vec<KeyValue> =
            labels.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())).collect();
        self.observer.observe(value, &labels);
    }
}

impl<T> std::fmt::Debug for Observer<'_, T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Observer")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    const SHED: MetricDef = MetricDef::counter("inrush.calls_shed", "{call}", &["reason"], "Calls refused");
    const OLDEST: MetricDef =
        MetricDef::gauge("inrush.oldest_waiting", "s", &["sale"], "Age of the oldest waiting ticket");
    const LATENCY: MetricDef = MetricDef::duration_histogram(
        "rpc.server.call.duration",
        &[Duration::from_millis(5)],
        &["rpc.method"],
        "How long",
    );

    #[test]
    fn registered_metrics_have_a_text_in_prometheus_format() {
        let metrics = Metrics::default();
        let shed = Arc::new(AtomicU64::new(3));
        let read = Arc::clone(&shed);
        metrics.counter(&SHED, move |observer| {
            observer.observe(read.load(Ordering::Relaxed), &[("reason", "queue_wait")]);
        });
        metrics.gauge(&OLDEST, |observer| observer.observe(1.5, &[("sale", "phone")]));
        let series = vec![vec![("rpc.method", "a/B".to_owned())], vec![("rpc.method", "a/C".to_owned())]];
        metrics.histogram(&LATENCY, series).recorder().record_duration(1, Duration::from_millis(7));
        shed.store(4, Ordering::Relaxed);
        let text = metrics.text().unwrap();
        for line in [
            "# HELP inrush_calls_shed_total Calls refused",
            "# TYPE inrush_calls_shed_total counter",
            "inrush_calls_shed_total{reason=\"queue_wait\"} 4",
            "# TYPE inrush_oldest_waiting_seconds gauge",
            "inrush_oldest_waiting_seconds{sale=\"phone\"} 1.5",
            "# TYPE rpc_server_call_duration_seconds histogram",
            "rpc_server_call_duration_seconds_bucket{rpc_method=\"a/C\",le=\"0.005\"} 0",
            "rpc_server_call_duration_seconds_bucket{rpc_method=\"a/C\",le=\"+Inf\"} 1",
            "rpc_server_call_duration_seconds_sum{rpc_method=\"a/C\"} 0.007",
            "rpc_server_call_duration_seconds_count{rpc_method=\"a/C\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("a/B"), "a series without values is left out\n{text}");
        assert!(!text.contains("otel_scope") && !text.contains("target_info"), "{text}");
    }

    #[test]
    fn a_histogram_is_registered_once() {
        let metrics = Metrics::default();
        let series = || vec![vec![("rpc.method", "a/B".to_owned())]];
        metrics.histogram(&LATENCY, series()).recorder().record_duration(0, Duration::ZERO);
        metrics.histogram(&LATENCY, series()).recorder().record_duration(0, Duration::ZERO);
        let text = metrics.text().unwrap();
        assert!(text.contains("rpc_server_call_duration_seconds_count{rpc_method=\"a/B\"} 2"), "{text}");
    }

    #[test]
    fn a_series_that_is_not_reported_any_more_disappears() {
        let metrics = Metrics::default();
        let reads = AtomicU64::new(0);
        metrics.gauge(&OLDEST, move |observer| {
            if reads.fetch_add(1, Ordering::Relaxed) == 0 {
                observer.observe(1.0, &[("sale", "phone")]);
            }
        });
        assert!(metrics.text().unwrap().contains("phone"));
        assert!(!metrics.text().unwrap().contains("phone"));
    }
}
