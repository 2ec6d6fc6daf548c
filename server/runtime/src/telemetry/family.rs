//! What can be counted and measured: the definition of a metric, apart from its values.

use std::time::Duration;

/// The definition of a metric: its name, what it means and which labels tell its series apart.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name as OpenTelemetry writes it, with dots and without a unit.
    pub name: &'static str,
    /// What its values do.
    pub kind: Kind,
    /// The unit, in the notation of UCUM: `s`, or in braces what is counted.
    pub unit: &'static str,
    /// The labels, as OpenTelemetry writes them.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence without a full stop.
    pub help: &'static str,
}

/// What the values of a metric do.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// They only rise.
    Counter,
    /// They rise and fall.
    Gauge,
    /// They are counted by their size.
    Histogram(Buckets),
}

/// The sizes by which values are counted, each the largest of its bucket, rising.
#[derive(Clone, Copy, Debug)]
pub enum Buckets {
    /// Of a histogram of times.
    Durations(&'static [Duration]),
    /// Of a histogram of numbers.
    Counts(&'static [u64]),
}

/// The usual sizes of times: 1, 2.5 and 5 of each power of ten, and what people count in beyond ten seconds.
const USUAL_TIMES: [Duration; 18] = [
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

/// The usual buckets from `first` to `last`, both included, for [`Family::times`].
#[must_use]
pub const fn usual_times(first: Duration, last: Duration) -> &'static [Duration] {
    let mut times: &[Duration] = &USUAL_TIMES;
    while let [shortest, longer @ ..] = times
        && shortest.as_nanos() < first.as_nanos()
    {
        times = longer;
    }
    while let [shorter @ .., longest] = times
        && longest.as_nanos() > last.as_nanos()
    {
        times = shorter;
    }
    times
}

impl Family {
    /// A metric that only rises.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Counter, unit, labels, help }
    }

    /// A metric that rises and falls.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Gauge, unit, labels, help }
    }

    /// A metric whose values are times, counted by their size.
    #[must_use]
    pub const fn times(
        name: &'static str,
        buckets: &'static [Duration],
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram(Buckets::Durations(buckets)), unit: "s", labels, help }
    }

    /// A metric whose values are numbers, counted by their size.
    #[must_use]
    pub const fn sizes(
        name: &'static str,
        unit: &'static str,
        buckets: &'static [u64],
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram(Buckets::Counts(buckets)), unit, labels, help }
    }

    /// The name as Prometheus writes it: with underscores, the unit, and `_total` where it only rises.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let unit = if self.unit == "s" { "_seconds" } else { "" };
        let total = if matches!(self.kind, Kind::Counter) { "_total" } else { "" };
        format!("{}{unit}{total}", prometheus_word(self.name))
    }

    /// The labels as Prometheus writes them.
    #[must_use]
    pub fn prometheus_labels(&self) -> Vec<String> {
        self.labels.iter().map(|label| prometheus_word(label)).collect()
    }
}

impl Kind {
    /// The word that Prometheus has for it.
    #[must_use]
    pub const fn prometheus_type(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A name or a label as Prometheus writes it.
pub(super) fn prometheus_word(word: &str) -> String {
    word.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_times_go_from_the_first_to_the_last() {
        let (first, last) = (Duration::from_millis(1), Duration::from_secs(60));
        let times = usual_times(first, last);
        assert_eq!((times.len(), times.first(), times.last()), (15, Some(&first), Some(&last)));
        assert!(usual_times(Duration::ZERO, Duration::MAX).is_sorted_by(|one, next| one < next));
        assert!(usual_times(last, first).is_empty());
    }

    #[test]
    fn prometheus_has_the_unit_and_the_kind_in_the_name() {
        for (family, name) in [
            (Family::counter("inrush.shed", "{call}", &["reason"], ""), "inrush_shed_total"),
            (Family::gauge("inrush.oldest_waiting", "s", &["sale"], ""), "inrush_oldest_waiting_seconds"),
            (
                Family::times("rpc.server.call.duration", &[], &["rpc.method"], ""),
                "rpc_server_call_duration_seconds",
            ),
        ] {
            assert_eq!(family.prometheus_name(), name);
        }
        let family = Family::times("rpc.server.call.duration", &[], &["rpc.method"], "");
        assert_eq!(family.prometheus_labels(), ["rpc_method"]);
    }
}
