//! Orders that the store has forgotten are read from the order system.

use std::time::Duration;

use inrush_core::{
    SaleSettings, SaleSnapshot, TicketRef, TicketStatus,
    store::prelude::*,
    time::{Clock, ManualClock},
};
use inrush_proto::v1::{KnownOrder, known_order::State};
use tonic::{Code, Status};

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

/// A store that has forgotten `count` orders, which the order system lists, and its epoch before.
async fn forgotten(orders: &OrderSystem, count: u64) -> (TestStore, u64) {
    let store = TestStore::new();
    store.create("phone", &SaleSettings::of_stock(10)).await;
    let before = store.memory().checkpoint();
    store.enqueue("phone", count).await;
    let epoch = store.snapshot("phone").await.epoch;
    orders.list((1..=count).map(|seq| order(epoch, seq, State::Ordered)).collect());
    store.memory().roll_back(&before);
    store.memory().restart();
    (store, epoch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_cut_by_an_error_is_read_again() {
    let orders = OrderSystem::start(Reaction::order).await;
    let (store, epoch) = forgotten(&orders, 3).await;
    let cut = |code| Some(Status::new(code, "cut"));
    orders.fail_lists([None, cut(Code::Unavailable), None, None, cut(Code::Internal)]);
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 3).await;
    assert_eq!(orders.lists().len(), 2 + 3 + 3, "each time from the first page");
    for seq in 1..=3 {
        let ordered = Some(TicketStatus::Ordered { order_id: format!("order-{seq}") });
        assert_eq!(status(&store, epoch, seq).await, ordered);
    }
    let snapshot = store.snapshot("phone").await;
    assert_eq!((snapshot.reconciled.tickets, snapshot.free_units()), (3, 7));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_does_not_end_is_given_up() {
    let orders = OrderSystem::start(Reaction::order).await;
    let (store, _) = forgotten(&orders, 2).await;
    orders.list_without_end();
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 1).await;
    store.create("other", &SaleSettings::of_stock(10)).await;
    store.memory().restart();
    eventually("another sale has its turn", || orders.lists().iter().any(|list| list.sale_id == "other"))
        .await;
    let of_phone = orders.lists().iter().filter(|list| list.sale_id == "phone").count();
    assert!(of_phone <= 4, "two pages for each rise, and not {of_phone}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_no_ticket_can_have_change_nothing() {
    let orders = OrderSystem::start(Reaction::order).await;
    let (store, epoch) = forgotten(&orders, 1).await;
    let right = order(epoch, 1, State::Ordered);
    let of = |ticket_id: &str| KnownOrder { ticket_id: ticket_id.to_owned(), ..right.clone() };
    orders.list(vec![
        of("other/1/1"),
        of("phone/1/1"),
        of("phone/18446744073709551615/1"),
        of("of another form"),
        KnownOrder { units: 0, ..right.clone() },
        KnownOrder { units: u64::MAX, ..right.clone() },
        KnownOrder { order_id: String::new(), ..right.clone() },
        KnownOrder { state: State::Unspecified.into(), ..right.clone() },
        KnownOrder { buyer_id: "x".repeat(1_000), ..right.clone() },
        right,
    ]);
    let worker = Worker::start(settings(&orders), &store);
    store.ordered("phone", 1).await;
    let snapshot = store.snapshot("phone").await;
    assert_eq!((snapshot.rises, snapshot.reconciled.tickets, snapshot.free_units()), (1, 1, 9));
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
