//! Metrics of the store's operations.

use std::{sync::Arc, time::Duration};

use inrush_core::{Store, StoreError, store::decorator::Operation};
use inrush_store::instrumented::{CompletedOperation, Observer, instrument};
use inrush_telemetry::{Histogram, MetricDef, Metrics, Recorder, default_buckets};

const OPERATION: &str = "operation";
const ERROR: &str = "error.type";

/// From a round trip on the same machine to above the timeout of a store.
const TIMES: &[Duration] = default_buckets(Duration::from_micros(100), Duration::from_secs(5));

/// Up to the maximum batch size.
const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

const DURATION: MetricDef = MetricDef::duration_histogram(
    "inrush.store.operation.duration",
    TIMES,
    &[OPERATION, ERROR],
    "Duration of an operation of the store, in most cases one round trip; error_type is set if it failed: \
     sale_not_found, unavailable, refuses_writes, access_denied, unsuitable or corrupt",
);
const SIZE: MetricDef = MetricDef::size_histogram(
    "inrush.store.batch_size",
    "{item}",
    SIZES,
    &[OPERATION],
    "Batch size of an operation of the store: joined requests, claimed or settled entries",
);

/// The metrics of a process with a store.
#[cfg(test)]
pub(crate) const METRICS: [MetricDef; 4] = {
    let [used, limit] = super::store_memory::METRICS;
    [DURATION, SIZE, used, limit]
};

/// The outcomes of an operation: success, or one of these errors.
const ENDINGS: usize = 1 + StoreError::KINDS.len();

/// Registers the metrics of a store and records its operations.
pub(super) fn measured(store: Arc<dyn Store>, metrics: &Metrics) -> Arc<dyn Store> {
    let times = Operation::ALL.iter().flat_map(|operation| {
        let fine = vec![(OPERATION, operation.name().to_owned())];
        let failed = StoreError::KINDS.into_iter().map({
            let fine = fine.clone();
            move |kind| [fine.clone(), vec![(ERROR, kind.to_owned())]].concat()
        });
        [fine].into_iter().chain(failed).collect::<Vec<_>>()
    });
    let sizes = Operation::ALL.iter().map(|operation| vec![(OPERATION, operation.name().to_owned())]);
    let (times, sizes) =
        (metrics.histogram(&DURATION, times.collect()), metrics.histogram(&SIZE, sizes.collect()));
    instrument(store, Arc::new(StoreMetrics::of_thread(times, sizes)))
}

/// Records the operations of one thread's store.
struct StoreMetrics {
    times: Histogram,
    sizes: Histogram,
    time_recorder: Recorder,
    size_recorder: Recorder,
}

impl StoreMetrics {
    fn of_thread(times: Histogram, sizes: Histogram) -> Self {
        let (time_recorder, size_recorder) = (times.recorder(), sizes.recorder());
        Self { times, sizes, time_recorder, size_recorder }
    }
}

impl Observer for StoreMetrics {
    fn for_own_connection(&self) -> Arc<dyn Observer> {
        Arc::new(Self::of_thread(self.times.clone(), self.sizes.clone()))
    }

    fn on_complete(&self, completed: &CompletedOperation<'_>) {
        let CompletedOperation { operation, duration, size, error, .. } = *completed;
        let kind = error.and_then(|error| StoreError::KINDS.iter().position(|kind| *kind == error.kind()));
        let ending = kind.map_or(0, |kind| 1 + kind);
        self.time_recorder.record_duration(operation as usize * ENDINGS + ending, duration);
        if let Some(size) = size {
            self.size_recorder.record_size(operation as usize, size);
        }
    }
}

#[cfg(test)]
mod tests {
    use inrush_core::{
        SaleSettings,
        store::{ClaimRequest, Precondition},
        time::Clock,
    };
    use inrush_store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn operations_are_recorded_by_name_and_error() {
        let metrics = Metrics::default();
        let store = measured(MemoryStore::new(Clock::Store), &metrics).with_own_connection().await.unwrap();
        let sale = "phone".parse().unwrap();
        store.configure(&sale, &SaleSettings::of_stock(10), Precondition::Absent).await.unwrap();
        store.claim(&sale, ClaimRequest { max: 9 }).await.unwrap();
        store.sale(&"unknown".parse().unwrap()).await.unwrap_err();
        let text = metrics.text().unwrap();
        let duration = "inrush_store_operation_duration_seconds_count";
        for line in [
            format!("{duration}{{operation=\"configure\"}} 1"),
            format!("{duration}{{operation=\"sale\",error_type=\"sale_not_found\"}} 1"),
            "inrush_store_batch_size_bucket{operation=\"claim\",le=\"1\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
        }
    }
}
