//! The context of a case: an empty store of its own, and a clock that it moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use inrush_core::{
    sale::{SaleId, SaleSettings},
    store::{ConfigureResult, Precondition, Store, StoreEvent},
    time::{ManualClock, Timestamp},
};
use tokio::{sync::broadcast, time::timeout};

use super::{backend::Backend, sale::Sale};

/// When every case begins.
pub const START: Timestamp = Timestamp(1_700_000_000_000);

/// An event that is not received within this time was not sent.
const EVENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A new store may not have subscribed yet: a mark that is not received within this time is announced again.
const MARK_INTERVAL: Duration = Duration::from_millis(50);

/// When the sale with this epoch was created: the epoch also has bits of the store's history.
pub(crate) const fn created_at(epoch: u64) -> Timestamp {
    Timestamp(epoch / 2048)
}

pub(crate) struct Context {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
    number: usize,
    marks: AtomicUsize,
}

impl Context {
    pub(crate) async fn new(backend: Arc<dyn Backend>, number: usize) -> Self {
        let clock = ManualClock::starting_at(START);
        let store = backend.empty_store(&clock).await;
        Self { backend, store, clock, number, marks: AtomicUsize::new(0) }
    }

    /// An id of this case alone: announcements of an earlier case may still be on their way.
    pub(crate) fn id(&self, name: &str) -> SaleId {
        format!("{name}-{}", self.number).parse().unwrap()
    }

    /// A new sale.
    pub(crate) async fn sale(&self, name: &str, settings: SaleSettings) -> Sale {
        let id = self.id(name);
        let reply = self.store.configure(&id, &settings, Precondition::Absent).await.unwrap();
        assert!(matches!(reply, ConfigureResult::Done(_)), "{reply:?}");
        Sale { store: Arc::clone(&self.store), id }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    pub(crate) fn set_back(&self, millis: u64) {
        self.clock.set_back(Duration::from_millis(millis));
    }

    /// What is announced for `sale` while `operation` runs: how often work, how often admission. A second sale on the
    /// same server is created after it; its announcement is the last to arrive.
    pub(crate) async fn announced(&self, sale: &Sale, operation: impl Future<Output = ()>) -> Announced {
        let mut events = self.store.events();
        while timeout(MARK_INTERVAL, wait_for(&mut events, &self.announce_mark(sale).await)).await.is_err() {}
        operation.await;
        let mark = self.announce_mark(sale).await;
        let mut announced = Announced::default();
        let received =
            timeout(EVENT_TIMEOUT, wait_for(&mut events, &mark)).await.expect("the mark is announced");
        for event in received {
            match event {
                StoreEvent::Work(id) if id == sale.id => announced.work += 1,
                StoreEvent::Admission(id) if id == sale.id => announced.admission += 1,
                StoreEvent::Work(_) | StoreEvent::Admission(_) => {} // a mark that came late
                StoreEvent::Missed => panic!("the connection was lost"),
            }
        }
        announced
    }

    async fn announce_mark(&self, sale: &Sale) -> SaleId {
        let name = format!("mark-{}-{}", self.number, self.marks.fetch_add(1, Ordering::Relaxed));
        let mark = self.backend.neighbour_of(&sale.id, &name).await;
        let settings = SaleSettings::of_stock(1);
        self.store.configure(&mark, &settings, Precondition::Absent).await.unwrap();
        mark
    }
}

/// How often something was announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) work: u32,
    pub(crate) admission: u32,
}

/// Everything announced before `mark` is.
async fn wait_for(events: &mut broadcast::Receiver<StoreEvent>, mark: &SaleId) -> Vec<StoreEvent> {
    let mut before = Vec::new();
    loop {
        match events.recv().await.unwrap() {
            StoreEvent::Admission(id) if id == *mark => return before,
            event => before.push(event),
        }
    }
}
