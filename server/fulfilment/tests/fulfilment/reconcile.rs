//! Orders that the store has forgotten are read from the order system.

use std::time::Duration;

use inrush_core::{
    SaleSettings, SaleSnapshot, TicketRef, TicketStatus,
    store::prelude::*,
    time::{Clock, ManualClock},
};
use inrush_proto::v1::{KnownOrder, known_order::State};

use crate::{
    order_system::{OrderSystem, Reaction},
    store::{TestStore, eventually, id},
    worker::{Worker, settings},
};

/// Longer than holders of lost tickets come before others.
const AFTER_RESTORES: Duration = Duration::from_secs(10);

/// The order that [`Reaction::order`] answers for a ticket of [`TestStore::enqueue`].
fn order(epoch: u64, seq: u64, state: State) -> KnownOrder {
    KnownOrder {
        ticket_id: format!("phone/{epoch}/{seq}"),
        order_id: format!("order-{seq}"),
        buyer_id: format!("buyer-{seq}"),
        units: 1,
        state: state.into(),
    }
}

async fn status(store: &TestStore, epoch: u64, seq: u64) -> Option<TicketStatus> {
    let tickets = [TicketRef { epoch, seq }];
    store.memory().look_up(&id("phone"), &tickets).await.unwrap().statuses.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_the_store_has_forgotten_are_settled_after_a_rise() {
    let clock = ManualClock::starting_at(inrush_core::Timestamp(1_700_000_000_000));
    let (store, orders) =
        (TestStore::with_clock(Clock::Manual(clock.clone())), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings::of_stock(10)).await;
    store.enqueue("phone", 2).await;
    let before = store.memory().checkpoint();
    store.enqueue("phone", 2).await;
    let SaleSnapshot { epoch, .. } = store.snapshot("phone").await;
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 4).await;
    worker.stop().await;
    let known = [(1, State::Ordered), (2, State::Ordered), (3, State::Ordered), (4, State::Released)];
    orders.list(known.map(|(seq, state)| order(epoch, seq, state)).to_vec());
    store.memory().roll_back(&before);
    store.memory().restart();

    let worker = Worker::start(settings(&orders), &store);
    eventually("all pages are read", || orders.lists().len() >= 4).await;
    clock.advance(AFTER_RESTORES);
    store.ordered("phone", 3).await;
    let ordered = |seq| Some(TicketStatus::Ordered { order_id: format!("order-{seq}") });
    for seq in 1..=3 {
        assert_eq!(status(&store, epoch, seq).await, ordered(seq));
    }
    let released = Some(TicketStatus::Released { order_id: "order-4".to_owned() });
    for _ in 0..1_000 {
        if status(&store, epoch, 4).await == released {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(status(&store, epoch, 4).await, released);
    let snapshot = store.snapshot("phone").await;
    assert_eq!((snapshot.ledger.ordered.units, snapshot.free_units()), (3, 7));
    let first = &orders.lists()[0];
    assert_eq!(first.sale_id, "phone");
    let created = first.sale_create_time.unwrap();
    assert_eq!(u64::try_from(created.seconds).unwrap(), snapshot.created_at.0 / 1_000);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_system_without_a_list_is_asked_once_for_each_rise() {
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings::of_stock(10)).await;
    store.enqueue("phone", 1).await;
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 1).await;
    assert_eq!(orders.lists().len(), 0, "nothing can be forgotten before the first rise");
    store.memory().restart();
    store.enqueue("phone", 1).await;
    store.ordered("phone", 2).await;
    eventually("the list is requested", || orders.lists().len() == 1).await;
    store.enqueue("phone", 1).await;
    store.ordered("phone", 3).await;
    assert_eq!(orders.lists().len(), 1);
    worker.stop().await;
}
