//! The metrics of a process: where they are registered, and what Prometheus reads.
//!
//! Whoever has something to tell registers a [`Family`] with a closure that gives its present values. The closures run when
//! somebody looks, a scraper or the collector's clock, and never on the way of a call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};

use super::collector::Reader;
use super::family::{Buckets, Family, Kind};
use super::histogram::Histogram;
use super::histogram::prometheus::Registered;
use super::names::Names;
use super::settings::TelemetrySettings;
use super::tally::Tally;

/// What the metrics' scope is called at a collector.
const SCOPE: &str = "inrush";

/// Most series of a metric for each name that has series of its own: more than any metric has labels beside the name.
const SERIES_PER_NAME: usize = 16;

/// Series of a metric that do not depend on names.
const OTHER_SERIES: usize = 256;

/// Where metrics are registered. Clones share everything.
#[derive(Clone, Debug)]
pub struct Metrics {
    meter: Meter,
    provider: SdkMeterProvider,
    registry: Registry,
    histograms: Histograms,
    names: Names,
}

/// All histograms of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Histograms {
    all: Arc<Mutex<Vec<Histogram>>>,
}

/// Takes the present values of a metric.
pub struct Points<'a, T> {
    observer: &'a dyn AsyncInstrument<T>,
}

impl Metrics {
    /// No metrics yet. `reader` is what sends them to a collector; whether there is one or not, [`Self::text`] has them.
    pub(super) fn new(
        settings: &TelemetrySettings,
        resource: Resource,
        histograms: Histograms,
        reader: Option<Reader>,
    ) -> Self {
        let registry = Registry::new();
        let most_series = settings.max_sales * SERIES_PER_NAME + OTHER_SERIES;
        let mut provider = SdkMeterProvider::builder().with_resource(resource).with_view(
            // The default limit would put sales together where an operator asked for more.
            move |_: &Instrument| Stream::builder().with_cardinality_limit(most_series).build().ok(),
        );
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            // Prometheus knows by itself what it scrapes.
            .without_target_info();
        match exporter.build() {
            Ok(exporter) => provider = provider.with_reader(exporter),
            Err(error) => tracing::error!("metrics cannot be offered to Prometheus, a defect: {error}"),
        }
        if let Some(reader) = reader {
            provider = provider.with_reader(reader);
        }
        let provider = provider.build();
        let meter = provider.meter(SCOPE);
        Self { meter, provider, registry, histograms, names: Names::at_most(settings.max_sales) }
    }

    /// Registers a metric that only rises.
    pub fn counter(&self, family: &Family, read: impl Fn(&Points<'_, u64>) + Send + Sync + 'static) {
        let instrument = self.meter.u64_observable_counter(family.name).with_unit(family.unit);
        instrument
            .with_description(family.help)
            .with_callback(move |observer| read(&Points { observer }))
            .build();
    }

    /// Registers a metric that rises and falls.
    pub fn gauge(&self, family: &Family, read: impl Fn(&Points<'_, f64>) + Send + Sync + 'static) {
        let instrument = self.meter.f64_observable_gauge(family.name).with_unit(family.unit);
        instrument
            .with_description(family.help)
            .with_callback(move |observer| read(&Points { observer }))
            .build();
    }

    /// Registers a metric whose values are counted by their size, with a fixed list of series. One that is registered
    /// already is given again, with the series that it has.
    #[must_use]
    pub fn histogram(&self, family: &Family, series: Vec<Vec<(&'static str, String)>>) -> Histogram {
        let mut all = self.histograms.lock();
        if let Some(known) = all.iter().find(|histogram| histogram.family().name == family.name) {
            return known.clone();
        }
        let buckets = match family.kind {
            Kind::Histogram(buckets) => buckets,
            Kind::Counter | Kind::Gauge => Buckets::Counts(&[]),
        };
        let labels = |labels: Vec<(&'static str, String)>| {
            labels.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
        };
        let histogram = Histogram::new(*family, buckets, series.into_iter().map(labels).collect());
        let registered = Registered::new(histogram.clone())
            .and_then(|registered| self.registry.register(Box::new(registered)));
        if let Err(error) = registered {
            tracing::error!("{} cannot be offered to Prometheus, a defect: {error}", family.name);
        }
        all.push(histogram.clone());
        histogram
    }

    /// Counts by name, so many to each, for which the names with series of their own are those of the process.
    #[must_use]
    pub fn tally(&self, columns: usize) -> Tally {
        Tally::new(self.names.clone(), columns)
    }

    /// The names that have series of their own in this process.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// All metrics as Prometheus reads them.
    ///
    /// # Errors
    /// If a metric is not one that Prometheus can have: a defect.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    pub(super) fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }
}

impl Default for Metrics {
    /// Metrics that nobody but a test looks at.
    fn default() -> Self {
        let nobody = Resource::builder_empty().build();
        Self::new(&TelemetrySettings::default(), nobody, Histograms::default(), None)
    }
}

impl Histograms {
    /// Those registered so far.
    pub(super) fn all(&self) -> Vec<Histogram> {
        self.lock().clone()
    }

    /// Pushing to a list leaves it whole, so the lock's poison says nothing.
    fn lock(&self) -> MutexGuard<'_, Vec<Histogram>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Points<'_, T> {
    /// The present value of the series with these labels.
    pub fn add(&self, value: T, labels: &[(&'static str, &str)]) {
        let labels: Vec<KeyValue> =
            labels.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())).collect();
        self.observer.observe(value, &labels);
    }
}

impl<T> std::fmt::Debug for Points<'_, T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Points")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    const SHED: Family = Family::counter("inrush.shed", "{call}", &["reason"], "Calls refused");
    const OLDEST: Family = Family::gauge("inrush.oldest_waiting", "s", &["sale"], "How long somebody waits");
    const LATENCY: Family =
        Family::times("rpc.server.call.duration", &[Duration::from_millis(5)], &["rpc.method"], "How long");

    #[test]
    fn what_is_registered_can_be_read_in_the_words_of_prometheus() {
        let metrics = Metrics::default();
        let shed = Arc::new(AtomicU64::new(3));
        let read = Arc::clone(&shed);
        metrics.counter(&SHED, move |points| points.add(read.load(Ordering::Relaxed), &[("reason", "wait")]));
        metrics.gauge(&OLDEST, |points| points.add(1.5, &[("sale", "phone")]));
        let series = vec![vec![("rpc.method", "a/B".to_owned())], vec![("rpc.method", "a/C".to_owned())]];
        metrics.histogram(&LATENCY, series).recorder().time(1, Duration::from_millis(7));
        shed.store(4, Ordering::Relaxed);
        let text = metrics.text().unwrap();
        for line in [
            "# HELP inrush_shed_total Calls refused",
            "# TYPE inrush_shed_total counter",
            "inrush_shed_total{reason=\"wait\"} 4",
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
        assert!(!text.contains("a/B"), "a series without values is not told of\n{text}");
        assert!(!text.contains("otel_scope") && !text.contains("target_info"), "{text}");
    }

    #[test]
    fn a_histogram_is_registered_once() {
        let metrics = Metrics::default();
        let series = || vec![vec![("rpc.method", "a/B".to_owned())]];
        metrics.histogram(&LATENCY, series()).recorder().time(0, Duration::ZERO);
        metrics.histogram(&LATENCY, series()).recorder().time(0, Duration::ZERO);
        let text = metrics.text().unwrap();
        assert!(text.contains("rpc_server_call_duration_seconds_count{rpc_method=\"a/B\"} 2"), "{text}");
    }

    #[test]
    fn a_series_that_is_not_told_of_any_more_is_gone() {
        let metrics = Metrics::default();
        let looks = AtomicU64::new(0);
        metrics.gauge(&OLDEST, move |points| {
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                points.add(1.0, &[("sale", "phone")]);
            }
        });
        assert!(metrics.text().unwrap().contains("phone"));
        assert!(!metrics.text().unwrap().contains("phone"));
    }
}
