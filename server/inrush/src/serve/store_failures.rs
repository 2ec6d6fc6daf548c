//! Why operations of the store fail, in the log: one warning for all that fail at the same time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inrush_core::{
    Store, StoreError,
    store::{WriteRefusal, decorator::Operation},
};
use inrush_store::instrumented::{CompletedOperation, Observer, instrument};
use parking_lot::Mutex;

/// The shortest interval between two warnings of one kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Kinds of failures that are limited independently.
const KINDS: usize = 6;

/// Logs why operations fail, at most one warning of each kind in [`INTERVAL`].
pub(super) fn logged(store: Arc<dyn Store>) -> Arc<dyn Store> {
    instrument(store, Arc::new(StoreFailures::default()))
}

/// Shared by all handles of the process: their operations fail together.
#[derive(Clone, Default)]
struct StoreFailures {
    throttles: Arc<Mutex<[Throttle; KINDS]>>,
}

#[derive(Clone, Copy, Default)]
struct Throttle {
    last: Option<Instant>,
    /// Failures since the last warning.
    suppressed: u64,
}

impl Throttle {
    /// How many failures were not logged since the last warning, if this one may be logged now.
    fn allow(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl Observer for StoreFailures {
    fn for_own_connection(&self) -> Arc<dyn Observer> {
        Arc::new(self.clone())
    }

    fn on_complete(&self, completed: &CompletedOperation<'_>) {
        let Some(error) = completed.error else { return };
        let Some(kind) = kind(error) else { return };
        let mut throttles = self.throttles.lock();
        let allowed = throttles.get_mut(kind).and_then(|throttle| throttle.allow(Instant::now()));
        drop(throttles);
        if let Some(suppressed) = allowed {
            log(completed.operation, error, suppressed);
        }
    }
}

/// `None` for what is no failure of the store.
const fn kind(error: &StoreError) -> Option<usize> {
    Some(match error {
        StoreError::SaleNotFound(_) => return None,
        StoreError::Unavailable(_) => 0,
        StoreError::RefusesWrites(WriteRefusal::Full, _) => 1,
        StoreError::RefusesWrites(WriteRefusal::TooFewReplicas | WriteRefusal::NotPersisting, _) => 2,
        StoreError::AccessDenied(_) => 3,
        StoreError::Unsuitable(_) => 4,
        StoreError::Corrupt(_) => 5,
    })
}

fn log(operation: Operation, error: &StoreError, suppressed: u64) {
    let operation = operation.name();
    if matches!(error, StoreError::Corrupt(_)) {
        tracing::error!(operation, %error, suppressed, "store operation failed");
    } else {
        tracing::warn!(operation, %error, suppressed, "store operation failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_in_an_interval_is_logged_and_the_others_are_counted() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.allow(start), Some(0));
        for _ in 0..630 {
            assert_eq!(throttle.allow(start + INTERVAL / 2), None);
        }
        assert_eq!(throttle.allow(start + INTERVAL), Some(630));
        assert_eq!(throttle.allow(start + INTERVAL * 2), Some(0));
    }

    #[test]
    fn each_kind_of_failure_has_a_limit_of_its_own() {
        let text = String::new;
        let errors = [
            StoreError::Unavailable(text()),
            StoreError::RefusesWrites(WriteRefusal::Full, text()),
            StoreError::RefusesWrites(WriteRefusal::NotPersisting, text()),
            StoreError::AccessDenied(text()),
            StoreError::Unsuitable(text()),
            StoreError::Corrupt(text()),
        ];
        let kinds: Vec<usize> = errors.iter().filter_map(kind).collect();
        assert_eq!(kinds, (0..KINDS).collect::<Vec<_>>());
        assert_eq!(kind(&StoreError::SaleNotFound("phone".parse().unwrap())), None);
    }
}
