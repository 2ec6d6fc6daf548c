//! The definition of a metric, apart from its values.

use std::time::Duration;

/// A metric: its name, kind, unit, labels and help text.
#[derive(Clone, Copy, Debug)]
pub struct MetricDef {
    /// The name in OpenTelemetry's form: with dots, without a unit.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// The unit in UCUM notation: `s`, `By`, or what is counted, in braces.
    pub unit: &'static str,
    /// The labels in OpenTelemetry's form.
    pub labels: &'static [&'static str],
    /// The help text: one sentence without a full stop.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub enum MetricKind {
    /// The value only rises.
    Counter,
    /// The value rises and falls.
    Gauge,
    /// Values are counted in buckets.
    Histogram(Buckets),
}

/// The upper bounds of a histogram's buckets, rising.
#[derive(Clone, Copy, Debug)]
pub enum Buckets {
    /// Bounds of a histogram of durations.
    Durations(&'static [Duration]),
    /// Bounds of a histogram of counts.
    Counts(&'static [u64]),
}

/// The default bounds for durations: 1, 2.5 and 5 of each power of ten, then 10, 30 and 60 seconds.
const DEFAULT_BUCKETS: [Duration; 18] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// The default bounds from `min` to `max`, both included, for [`MetricDef::duration_histogram`].
#[must_use]
pub const fn default_buckets(min: Duration, max: Duration) -> &'static [Duration] {
    let mut buckets: &[Duration] = &DEFAULT_BUCKETS;
    while let [first, rest @ ..] = buckets
        && first.as_nanos() < min.as_nanos()
    {
        buckets = rest;
    }
    while let [rest @ .., last] = buckets
        && last.as_nanos() > max.as_nanos()
    {
        buckets = rest;
    }
    buckets
}

impl MetricDef {
    /// A counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Counter, unit, labels, help }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Gauge, unit, labels, help }
    }

    /// A histogram of durations, in seconds.
    #[must_use]
    pub const fn duration_histogram(
        name: &'static str,
        buckets: &'static [Duration],
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Histogram(Buckets::Durations(buckets)), unit: "s", labels, help }
    }

    /// A histogram of sizes, such as those of batches.
    #[must_use]
    pub const fn size_histogram(
        name: &'static str,
        unit: &'static str,
        buckets: &'static [u64],
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Histogram(Buckets::Counts(buckets)), unit, labels, help }
    }

    /// The name in Prometheus' form: with underscores, the unit, and `_total` for a counter.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if matches!(self.kind, MetricKind::Counter) { "_total" } else { "" };
        format!("{}{unit}{total}", prometheus_name(self.name))
    }

    /// The labels in Prometheus' form.
    #[must_use]
    pub fn prometheus_labels(&self) -> Vec<String> {
        self.labels.iter().map(|label| prometheus_name(label)).collect()
    }
}

impl MetricKind {
    /// The type as Prometheus names it.
    #[must_use]
    pub const fn prometheus_type(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A metric's or a label's name in Prometheus' form.
pub(crate) fn prometheus_name(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_buckets_lie_between_min_and_max() {
        let (min, max) = (Duration::from_millis(1), Duration::from_secs(60));
        let buckets = default_buckets(min, max);
        assert_eq!((buckets.len(), buckets.first(), buckets.last()), (15, Some(&min), Some(&max)));
        assert!(default_buckets(Duration::ZERO, Duration::MAX).is_sorted_by(|one, next| one < next));
        assert!(default_buckets(max, min).is_empty());
    }

    #[test]
    fn prometheus_names_contain_unit_and_kind() {
        for (metric, name) in [
            (MetricDef::counter("inrush.calls_shed", "{call}", &["reason"], ""), "inrush_calls_shed_total"),
            (MetricDef::gauge("inrush.oldest_waiting", "s", &["sale"], ""), "inrush_oldest_waiting_seconds"),
            (MetricDef::gauge("inrush.store.memory.used", "By", &[], ""), "inrush_store_memory_used_bytes"),
            (
                MetricDef::duration_histogram("rpc.server.call.duration", &[], &["rpc.method"], ""),
                "rpc_server_call_duration_seconds",
            ),
        ] {
            assert_eq!(metric.prometheus_name(), name);
        }
        let metric = MetricDef::duration_histogram("rpc.server.call.duration", &[], &["rpc.method"], "");
        assert_eq!(metric.prometheus_labels(), ["rpc_method"]);
    }
}
