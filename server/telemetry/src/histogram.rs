//! Histograms with cells per thread.
//!
//! A call costs a core of a front some nine microseconds, and all cores record calls of the same kind at the same time. A
//! shared histogram, such as that of the OpenTelemetry SDK, has a lock, or at least cache lines that move between cores with
//! every call. So each thread records into cells of its own, without a lock, and the cells are summed when metrics are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use parking_lot::{Mutex, MutexGuard};

use super::metric_def::{Buckets, MetricDef};

pub(super) mod otlp;
pub(super) mod prometheus;

/// A histogram with a fixed list of series. Clones share it.
#[derive(Clone, Debug)]
pub struct Histogram {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    def: MetricDef,
    /// The upper bound of each bucket, in nanoseconds or counts.
    bounds: Arc<[u64]>,
    series: Vec<Vec<KeyValue>>,
    recorders: Mutex<Vec<Arc<[AtomicU64]>>>,
}

/// Records the values of one thread.
#[derive(Debug)]
pub struct Recorder {
    bounds: Arc<[u64]>,
    /// For each series: the count of each bucket, the count of larger values, and the sum.
    cells: Arc<[AtomicU64]>,
}

/// The values of one series, over all threads.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// The labels of the series.
    pub(super) labels: &'a [KeyValue],
    /// The count of each bucket; the last is that of larger values.
    pub(super) counts: Vec<u64>,
    /// The sum, in the unit of the metric.
    pub(super) sum: f64,
}

impl Histogram {
    /// An empty histogram. A series is identified by its index in the list.
    pub(super) fn new(def: MetricDef, buckets: Buckets, series: Vec<Vec<KeyValue>>) -> Self {
        let bounds = match buckets {
            Buckets::Durations(bounds) => bounds.iter().map(|bound| nanoseconds(*bound)).collect(),
            Buckets::Counts(bounds) => Arc::from(bounds),
        };
        Self { shared: Arc::new(Shared { def, bounds, series, recorders: Mutex::default() }) }
    }

    /// A recorder for one thread. Its cells live as long as the histogram: call this once per thread, not per connection.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        let cells = (0..self.shared.series.len() * width(&self.shared.bounds)).map(|_| AtomicU64::new(0));
        let cells: Arc<[AtomicU64]> = cells.collect();
        self.recorders().push(Arc::clone(&cells));
        Recorder { bounds: Arc::clone(&self.shared.bounds), cells }
    }

    pub(super) fn def(&self) -> &MetricDef {
        &self.shared.def
    }

    /// The upper bound of each bucket, in the unit of the metric.
    pub(super) fn bounds(&self) -> Vec<f64> {
        self.shared.bounds.iter().map(|bound| self.in_unit(*bound)).collect()
    }

    /// The series that have values.
    pub(super) fn samples(&self) -> Vec<Sample<'_>> {
        let width = width(&self.shared.bounds);
        let recorders = self.recorders();
        let mut samples = Vec::new();
        for (index, labels) in self.shared.series.iter().enumerate() {
            let mut cells = vec![0_u64; width];
            for recorder in recorders.iter() {
                for (total, cell) in cells.iter_mut().zip(recorder.iter().skip(index * width)) {
                    *total = total.wrapping_add(cell.load(Ordering::Relaxed));
                }
            }
            let sum = cells.pop().unwrap_or_default();
            if cells.iter().any(|count| *count > 0) {
                samples.push(Sample { labels, counts: cells, sum: self.in_unit(sum) });
            }
        }
        samples
    }

    /// Cells hold nanoseconds in histograms of durations, and counts otherwise.
    #[expect(clippy::cast_precision_loss, reason = "OTLP and Prometheus take floating-point numbers")]
    fn in_unit(&self, value: u64) -> f64 {
        match self.shared.def.unit {
            "s" => Duration::from_nanos(value).as_secs_f64(),
            _ => value as f64,
        }
    }

    fn recorders(&self) -> MutexGuard<'_, Vec<Arc<[AtomicU64]>>> {
        self.shared.recorders.lock()
    }
}

impl Recorder {
    /// Records a duration in a series. A series that does not exist is ignored.
    pub fn record_duration(&self, series: usize, duration: Duration) {
        self.record(series, nanoseconds(duration));
    }

    /// Records a size in a series. A series that does not exist is ignored.
    pub fn record_size(&self, series: usize, size: usize) {
        self.record(series, u64::try_from(size).unwrap_or(u64::MAX));
    }

    fn record(&self, series: usize, value: u64) {
        let width = width(&self.bounds);
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        let cells = self.cells.get(series * width..).and_then(|cells| cells.get(..width));
        if let Some([counts @ .., sum]) = cells
            && let Some(count) = counts.get(bucket)
        {
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(value, Ordering::Relaxed);
        }
    }
}

/// Cells of a series: one for each bucket, one for larger values, one for the sum.
const fn width(bounds: &[u64]) -> usize {
    bounds.len() + 2
}

/// The largest value is 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_millis(5), Duration::from_millis(10)];

    fn durations() -> Histogram {
        let metric = MetricDef::duration_histogram("a.duration", BOUNDS, &["kind"], "");
        let series = vec![vec![KeyValue::new("kind", "one")], vec![KeyValue::new("kind", "other")]];
        Histogram::new(metric, Buckets::Durations(BOUNDS), series)
    }

    #[test]
    fn a_value_equal_to_a_bound_is_in_its_bucket() {
        let histogram = durations();
        let recorder = histogram.recorder();
        for millis in [5, 6, 10, 11] {
            recorder.record_duration(1, Duration::from_millis(millis));
        }
        let samples = histogram.samples();
        assert_eq!(samples.len(), 1, "the other series has no values");
        assert_eq!(samples[0].labels, [KeyValue::new("kind", "other")]);
        assert_eq!(samples[0].counts, [1, 2, 1]);
        assert!((samples[0].sum - 0.032).abs() < 1e-9, "{}", samples[0].sum);
        assert_eq!(histogram.bounds(), [0.005, 0.01]);
    }

    #[test]
    fn values_of_all_threads_are_summed_and_outlive_them() {
        let histogram = durations();
        let threads = (0..4).map(|_| {
            let recorder = histogram.recorder();
            std::thread::spawn(move || {
                (0..1000).for_each(|_| recorder.record_duration(0, Duration::from_millis(1)));
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
        let samples = histogram.samples();
        assert_eq!(samples[0].counts, [4000, 0, 0]);
        assert!((samples[0].sum - 4.0).abs() < 1e-6, "{}", samples[0].sum);
    }

    #[test]
    fn sizes_are_recorded_without_conversion() {
        let metric = MetricDef::size_histogram("a.size", "{call}", &[1, 256], &[], "");
        let histogram = Histogram::new(metric, Buckets::Counts(&[1, 256]), vec![Vec::new()]);
        let recorder = histogram.recorder();
        [1, 200, 300].into_iter().for_each(|size| recorder.record_size(0, size));
        recorder.record_size(7, 1);
        assert_eq!(
            histogram.samples(),
            [Sample { labels: &[], counts: vec![1, 1, 1], sum: 501.0 }],
            "a series that does not exist is ignored"
        );
    }
}
