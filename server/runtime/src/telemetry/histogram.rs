//! Histograms whose cells belong to one thread each.
//!
//! A call costs a core of a front some nine microseconds altogether, and all cores answer calls of the same kind at the same
//! time. A histogram that they shared, such as that of the OpenTelemetry SDK, has a lock or at least lines of memory that
//! travel from core to core with every call. So each core records into cells of its own, without a lock, and they are
//! added up when somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;

use super::family::{Buckets, Family};

pub(super) mod otlp;
pub(super) mod prometheus;

/// A histogram with a fixed list of series, each with labels of its own. Clones share it.
#[derive(Clone, Debug)]
pub struct Histogram {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    family: Family,
    /// The largest value of each bucket, in grains.
    limits: Arc<[u64]>,
    series: Vec<Vec<KeyValue>>,
    recorders: Mutex<Vec<Arc<[AtomicU64]>>>,
}

/// One thread's way to record values.
#[derive(Debug)]
pub struct Recorder {
    limits: Arc<[u64]>,
    /// For each series the counts of its buckets, the last for what is larger than all limits, and then the sum.
    cells: Arc<[AtomicU64]>,
}

/// All that was recorded in one series.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// The series' labels.
    pub(super) labels: &'a [KeyValue],
    /// How many values fell into each bucket, the last for what is larger than all limits.
    pub(super) counts: Vec<u64>,
    /// Their sum, in the unit of the metric.
    pub(super) sum: f64,
}

impl Histogram {
    /// An empty histogram. Series are known by their place in the list.
    pub(super) fn new(family: Family, buckets: Buckets, series: Vec<Vec<KeyValue>>) -> Self {
        let limits = match buckets {
            Buckets::Durations(limits) => limits.iter().map(|limit| nanoseconds(*limit)).collect(),
            Buckets::Counts(limits) => Arc::from(limits),
        };
        Self { shared: Arc::new(Shared { family, limits, series, recorders: Mutex::default() }) }
    }

    /// Cells for one thread, kept as long as the histogram: to be asked for once a thread, and not once a connection.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        let cells = (0..self.shared.series.len() * width(&self.shared.limits)).map(|_| AtomicU64::new(0));
        let cells: Arc<[AtomicU64]> = cells.collect();
        self.recorders().push(Arc::clone(&cells));
        Recorder { limits: Arc::clone(&self.shared.limits), cells }
    }

    pub(super) fn family(&self) -> &Family {
        &self.shared.family
    }

    /// The largest value of each bucket, in the unit of the metric.
    pub(super) fn bounds(&self) -> Vec<f64> {
        self.shared.limits.iter().map(|limit| self.in_unit(*limit)).collect()
    }

    /// The series in which something was recorded.
    pub(super) fn samples(&self) -> Vec<Sample<'_>> {
        let width = width(&self.shared.limits);
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

    /// Grains are nanoseconds where times are recorded, and otherwise what is counted.
    #[expect(clippy::cast_precision_loss, reason = "collectors take nothing but floating point numbers")]
    fn in_unit(&self, grains: u64) -> f64 {
        match self.shared.family.unit {
            "s" => Duration::from_nanos(grains).as_secs_f64(),
            _ => grains as f64,
        }
    }

    /// Pushing to a list leaves it whole, so the lock's poison says nothing.
    fn recorders(&self) -> MutexGuard<'_, Vec<Arc<[AtomicU64]>>> {
        self.shared.recorders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Records a time in a series. A series that does not exist is left alone.
    pub fn time(&self, series: usize, took: Duration) {
        self.add(series, nanoseconds(took));
    }

    /// Records a number in a series. A series that does not exist is left alone.
    pub fn size(&self, series: usize, size: usize) {
        self.add(series, u64::try_from(size).unwrap_or(u64::MAX));
    }

    fn add(&self, series: usize, grains: u64) {
        let width = width(&self.limits);
        let bucket = self.limits.partition_point(|limit| *limit < grains);
        let cells = self.cells.get(series * width..).and_then(|cells| cells.get(..width));
        if let Some([counts @ .., sum]) = cells
            && let Some(count) = counts.get(bucket)
        {
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(grains, Ordering::Relaxed);
        }
    }
}

/// Cells of a series: one for each bucket, one for what is larger, one for the sum.
const fn width(limits: &[u64]) -> usize {
    limits.len() + 2
}

/// Some 584 years fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &[Duration] = &[Duration::from_millis(5), Duration::from_millis(10)];

    fn times() -> Histogram {
        let family = Family::times("a.duration", LIMITS, &["kind"], "");
        let series = vec![vec![KeyValue::new("kind", "one")], vec![KeyValue::new("kind", "other")]];
        Histogram::new(family, Buckets::Durations(LIMITS), series)
    }

    #[test]
    fn a_value_at_a_limit_belongs_to_its_bucket() {
        let histogram = times();
        let recorder = histogram.recorder();
        for millis in [5, 6, 10, 11] {
            recorder.time(1, Duration::from_millis(millis));
        }
        let samples = histogram.samples();
        assert_eq!(samples.len(), 1, "nothing was recorded in the other series");
        assert_eq!(samples[0].labels, [KeyValue::new("kind", "other")]);
        assert_eq!(samples[0].counts, [1, 2, 1]);
        assert!((samples[0].sum - 0.032).abs() < 1e-9, "{}", samples[0].sum);
        assert_eq!(histogram.bounds(), [0.005, 0.01]);
    }

    #[test]
    fn what_threads_record_is_added_up_and_outlives_them() {
        let histogram = times();
        let threads = (0..4).map(|_| {
            let recorder = histogram.recorder();
            std::thread::spawn(move || (0..1000).for_each(|_| recorder.time(0, Duration::from_millis(1))))
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
        let samples = histogram.samples();
        assert_eq!(samples[0].counts, [4000, 0, 0]);
        assert!((samples[0].sum - 4.0).abs() < 1e-6, "{}", samples[0].sum);
    }

    #[test]
    fn numbers_are_counted_as_they_are() {
        let family = Family::sizes("a.size", "{call}", &[1, 256], &[], "");
        let histogram = Histogram::new(family, Buckets::Counts(&[1, 256]), vec![Vec::new()]);
        let recorder = histogram.recorder();
        [1, 200, 300].into_iter().for_each(|size| recorder.size(0, size));
        recorder.size(7, 1);
        assert_eq!(
            histogram.samples(),
            [Sample { labels: &[], counts: vec![1, 1, 1], sum: 501.0 }],
            "and a series that does not exist is nobody's"
        );
    }
}
