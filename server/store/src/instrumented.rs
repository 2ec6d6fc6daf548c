//! Instrumentation: how long a store's operations take, how many items each carries, and how they fail.
//!
//! An operation is one round trip, except when the caller's key hints were outdated, and for the first use of a script
//! that the server does not have yet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use inrush_core::store::{
    Store, StoreError,
    decorator::{Call, Operation, StoreDecorator},
};

/// An operation that has completed.
#[derive(Clone, Copy, Debug)]
pub struct CompletedOperation<'a> {
    /// The kind of store, as [`StoreHandle::backend`](inrush_core::StoreHandle::backend) names it.
    pub backend: &'static str,
    /// Which operation.
    pub operation: Operation,
    /// How long it took.
    pub duration: Duration,
    /// How many items it carried: the requests of a batch, or the entries of a claim. `None` for an operation without
    /// a size, and for a claim that failed.
    pub size: Option<usize>,
    /// How it failed, if it did.
    pub error: Option<&'a StoreError>,
}

/// Is notified of operations. It runs within each call and must be fast.
pub trait Observer: Send + Sync + 'static {
    /// The observer of a handle with connections of its own, which one thread uses.
    fn for_own_connection(&self) -> Arc<dyn Observer>;

    /// An operation has completed. Called in the task that called the operation.
    fn on_complete(&self, completed: &CompletedOperation<'_>);
}

/// The same store, with its operations reported to `observer`.
pub fn instrument(store: Arc<dyn Store>, observer: Arc<dyn Observer>) -> Arc<dyn Store> {
    Arc::new(InstrumentedStore { store, observer })
}

struct InstrumentedStore {
    store: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
}

impl StoreDecorator for InstrumentedStore {
    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    fn around_own_connection(&self, store: Arc<dyn Store>) -> Self {
        Self { store, observer: self.observer.for_own_connection() }
    }

    async fn around<T: Send>(
        &self,
        call: Call<T>,
        run: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = run.await;
        let duration = started.elapsed();
        let (backend, operation, size) = (self.store.backend(), call.operation, call.size(&result));
        let error = result.as_ref().err();
        self.observer.on_complete(&CompletedOperation { backend, operation, duration, size, error });
        result
    }
}

#[cfg(test)]
mod tests {
    use inrush_core::{
        entry::Entry,
        sale::{SaleId, SaleSettings},
        store::{AdmitRequest, ClaimRequest, Precondition},
        time::Clock,
    };
    use parking_lot::Mutex;

    use super::*;
    use crate::memory::MemoryStore;

    #[derive(Clone, Default)]
    struct Recorded {
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Recorded {
        fn push(&self, line: String) {
            self.lines.lock().push(line);
        }
    }

    impl Observer for Recorded {
        fn for_own_connection(&self) -> Arc<dyn Observer> {
            self.push("own connection".to_owned());
            Arc::new(self.clone())
        }

        fn on_complete(&self, completed: &CompletedOperation<'_>) {
            let size = completed.size.map_or_else(String::new, |size| format!(" {size}"));
            let result = completed.error.map_or("ok", StoreError::kind);
            self.push(format!("{}{size} {result}", completed.operation.name()));
        }
    }

    #[tokio::test]
    async fn operations_are_reported_with_their_size_and_their_error() {
        let recorded = Recorded::default();
        let store = instrument(MemoryStore::new(Clock::Store), Arc::new(recorded.clone()));
        let store = store.with_own_connection().await.unwrap();
        let sale: SaleId = "phone".parse().unwrap();
        store.configure(&sale, &SaleSettings::of_stock(10), Precondition::Absent).await.unwrap();
        let request = |buyer: &str| AdmitRequest {
            entry: Entry { buyer: buyer.parse().unwrap(), units: 1, payload: Vec::new(), trace: Vec::new() },
            supersedes: None,
            restores: None,
        };
        store.admit(&sale, &[request("ada"), request("bob")]).await.unwrap();
        store.claim(&sale, ClaimRequest { max: 9 }).await.unwrap();
        let unknown = "unknown".parse().unwrap();
        store.sale(&unknown).await.unwrap_err();
        store.claim(&unknown, ClaimRequest { max: 9 }).await.unwrap_err();
        assert_eq!(
            *recorded.lines.lock(),
            [
                "own connection",
                "configure ok",
                "admit 2 ok",
                "claim 2 ok",
                "sale sale_not_found",
                "claim sale_not_found",
            ]
        );
    }
}
