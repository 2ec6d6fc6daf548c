//! A store that is watched: how long its operations take, how much each carries, and what they fail with.
//!
//! An operation is one round trip, but for those on a line that had moved on further than this process knew, and for the first
//! use of a script that the server does not have yet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use inrush_core::{
    sale::{SaleId, SaleSettings, SaleSnapshot},
    store::{
        AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
        DeleteResult, Durability, LeaseToken, LookUpReply, Precondition, Recovery, ReleaseResult,
        SettleResult, Settlement, Store, StoreError, StoreEvent,
    },
    ticket::Seq,
};
use tokio::sync::broadcast;

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the method of `Store` with its name")]
pub enum Operation {
    Admit,
    AdmittedBuyers,
    Cancel,
    Check,
    Claim,
    Close,
    Configure,
    DeadLetters,
    Delete,
    Discard,
    Extend,
    Keeps,
    LookUp,
    Recover,
    Redrive,
    Release,
    Sale,
    SaleIds,
    Sales,
    Settle,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Admit,
        Self::AdmittedBuyers,
        Self::Cancel,
        Self::Check,
        Self::Claim,
        Self::Close,
        Self::Configure,
        Self::DeadLetters,
        Self::Delete,
        Self::Discard,
        Self::Extend,
        Self::Keeps,
        Self::LookUp,
        Self::Recover,
        Self::Redrive,
        Self::Release,
        Self::Sale,
        Self::SaleIds,
        Self::Sales,
        Self::Settle,
    ];

    /// Its name, which is that of the method.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::AdmittedBuyers => "admitted_buyers",
            Self::Cancel => "cancel",
            Self::Check => "check",
            Self::Claim => "claim",
            Self::Close => "close",
            Self::Configure => "configure",
            Self::DeadLetters => "dead_letters",
            Self::Delete => "delete",
            Self::Discard => "discard",
            Self::Extend => "extend",
            Self::Keeps => "keeps",
            Self::LookUp => "look_up",
            Self::Recover => "recover",
            Self::Redrive => "redrive",
            Self::Release => "release",
            Self::Sale => "sale",
            Self::SaleIds => "sale_ids",
            Self::Sales => "sales",
            Self::Settle => "settle",
        }
    }
}

/// An operation that is over.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What kind of store it is, as [`Store::backend`] says.
    pub backend: &'static str,
    /// Which.
    pub operation: Operation,
    /// How long it took.
    pub took: Duration,
    /// How much it carried: requests of one that takes them, entries of one that brings them. None where it failed before it
    /// brought any, or where there is no number.
    pub size: Option<usize>,
    /// What it failed with.
    pub failure: Option<&'a StoreError>,
}

/// Learns of operations. It is told on the way of a call, and has to be quick.
pub trait Observer: Send + Sync + 'static {
    /// The observer of a handle with connections of its own, which one thread uses.
    fn with_own_connection(&self) -> Arc<dyn Observer>;

    /// An operation is over. Told by whoever asked for it, where it asked.
    fn finished(&self, run: &Run<'_>);
}

/// Has a store watched.
pub fn observe(store: Arc<dyn Store>, observer: Arc<dyn Observer>) -> Arc<dyn Store> {
    Arc::new(ObservedStore { store, observer })
}

struct ObservedStore {
    store: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
}

impl ObservedStore {
    /// Watches an operation that has no number.
    async fn watch<T>(
        &self,
        operation: Operation,
        run: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.watch_sized(operation, |_| None, run).await
    }

    /// Watches an operation that takes so many requests.
    async fn watch_batch<T>(
        &self,
        operation: Operation,
        size: usize,
        run: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.watch_sized(operation, |_| Some(size), run).await
    }

    async fn watch_sized<T>(
        &self,
        operation: Operation,
        size: impl FnOnce(&Result<T, StoreError>) -> Option<usize>,
        run: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = run.await;
        let took = started.elapsed();
        let (size, failure) = (size(&result), result.as_ref().err());
        self.observer.finished(&Run { backend: self.store.backend(), operation, took, size, failure });
        result
    }
}

#[async_trait]
impl Store for ObservedStore {
    fn backend(&self) -> &'static str {
        self.store.backend()
    }

    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.store.with_own_connection().await?;
        Ok(Arc::new(Self { store, observer: self.observer.with_own_connection() }))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.watch(Operation::Check, self.store.check()).await
    }

    async fn supports_durability(&self, durability: Durability) -> Result<bool, StoreError> {
        self.watch(Operation::Keeps, self.store.supports_durability(durability)).await
    }

    fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.store.events()
    }

    async fn configure(
        &self,
        sale: &SaleId,
        settings: &SaleSettings,
        precondition: Precondition,
    ) -> Result<ConfigureResult, StoreError> {
        self.watch(Operation::Configure, self.store.configure(sale, settings, precondition)).await
    }

    async fn sale(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.watch(Operation::Sale, self.store.sale(sale)).await
    }

    async fn sales(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleSnapshot>, StoreError> {
        self.watch(Operation::Sales, self.store.sales(after, limit)).await
    }

    async fn sale_ids(&self, after: Option<&SaleId>, limit: usize) -> Result<Vec<SaleId>, StoreError> {
        self.watch(Operation::SaleIds, self.store.sale_ids(after, limit)).await
    }

    async fn close(&self, sale: &SaleId) -> Result<SaleSnapshot, StoreError> {
        self.watch(Operation::Close, self.store.close(sale)).await
    }

    async fn delete(&self, sale: &SaleId) -> Result<DeleteResult, StoreError> {
        self.watch(Operation::Delete, self.store.delete(sale)).await
    }

    async fn admit(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<AdmitReply, StoreError> {
        self.watch_batch(Operation::Admit, requests.len(), self.store.admit(sale, requests)).await
    }

    async fn admitted_buyers(&self, sale: &SaleId, after: Seq) -> Result<Vec<u32>, StoreError> {
        self.watch(Operation::AdmittedBuyers, self.store.admitted_buyers(sale, after)).await
    }

    async fn look_up(&self, sale: &SaleId, seqs: &[Seq]) -> Result<LookUpReply, StoreError> {
        self.watch_batch(Operation::LookUp, seqs.len(), self.store.look_up(sale, seqs)).await
    }

    async fn cancel(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<CancelResult>, StoreError> {
        self.watch_batch(Operation::Cancel, seqs.len(), self.store.cancel(sale, seqs)).await
    }

    async fn claim(&self, sale: &SaleId, request: ClaimRequest) -> Result<Claim, StoreError> {
        let size = |claim: &Result<Claim, StoreError>| Some(claim.as_ref().ok()?.entries.len());
        self.watch_sized(Operation::Claim, size, self.store.claim(sale, request)).await
    }

    async fn extend(&self, sale: &SaleId, leases: &[LeaseToken]) -> Result<Vec<bool>, StoreError> {
        self.watch_batch(Operation::Extend, leases.len(), self.store.extend(sale, leases)).await
    }

    async fn settle(
        &self,
        sale: &SaleId,
        settlements: &[Settlement],
    ) -> Result<Vec<SettleResult>, StoreError> {
        self.watch_batch(Operation::Settle, settlements.len(), self.store.settle(sale, settlements)).await
    }

    async fn recover(&self, sale: &SaleId) -> Result<Recovery, StoreError> {
        self.watch(Operation::Recover, self.store.recover(sale)).await
    }

    async fn release(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<ReleaseResult>, StoreError> {
        self.watch_batch(Operation::Release, seqs.len(), self.store.release(sale, seqs)).await
    }

    async fn dead_letters(
        &self,
        sale: &SaleId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.watch(Operation::DeadLetters, self.store.dead_letters(sale, after, limit)).await
    }

    async fn redrive(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.watch_batch(Operation::Redrive, seqs.len(), self.store.redrive(sale, seqs)).await
    }

    async fn discard(&self, sale: &SaleId, seqs: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.watch_batch(Operation::Discard, seqs.len(), self.store.discard(sale, seqs)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use inrush_core::{entry::Entry, time::Clock};

    #[derive(Clone, Default)]
    struct Seen {
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Seen {
        fn say(&self, line: String) {
            self.lines.lock().unwrap().push(line);
        }
    }

    impl Observer for Seen {
        fn with_own_connection(&self) -> Arc<dyn Observer> {
            self.say("dedicated".to_owned());
            Arc::new(self.clone())
        }

        fn finished(&self, run: &Run<'_>) {
            let size = run.size.map_or_else(String::new, |size| format!(" {size}"));
            self.say(format!(
                "{}{size} {}",
                run.operation.name(),
                run.failure.map_or("fine", StoreError::kind)
            ));
        }
    }

    #[tokio::test]
    async fn operations_are_told_with_their_size_and_their_failure() {
        let seen = Seen::default();
        let store = observe(MemoryStore::new(Clock::Store), Arc::new(seen.clone()));
        let store = store.with_own_connection().await.unwrap();
        let sale: SaleId = "phone".parse().unwrap();
        store.configure(&sale, &SaleSettings::of_stock(10), Precondition::Absent).await.unwrap();
        let wish = |buyer: &str| AdmitRequest {
            entry: Entry { buyer: buyer.parse().unwrap(), units: 1, payload: Vec::new(), trace: Vec::new() },
            supersedes: None,
        };
        store.admit(&sale, &[wish("ada"), wish("bob")]).await.unwrap();
        store.claim(&sale, ClaimRequest { max: 9 }).await.unwrap();
        let nobody = "nobody".parse().unwrap();
        store.sale(&nobody).await.unwrap_err();
        store.claim(&nobody, ClaimRequest { max: 9 }).await.unwrap_err();
        assert_eq!(
            *seen.lines.lock().unwrap(),
            [
                "dedicated",
                "configure fine",
                "admit 2 fine",
                "claim 2 fine",
                "sale sale_not_found",
                "claim sale_not_found",
            ]
        );
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names = Operation::ALL.map(Operation::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
        }
    }
}
