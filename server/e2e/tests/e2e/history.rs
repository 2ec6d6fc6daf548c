//! A Redis that comes back with an old snapshot, under a whole system: no place is given twice, and no buyer gets another's
//! order.

use std::{collections::HashSet, time::Duration};

use inrush_client::{Client, Enqueued, Ticket, TicketState, TicketStatus, proto};
use tokio::time::{sleep, timeout};

use crate::system::{Shape, System, create_sale, enqueue, poll_all, tickets};

/// Snapshots are kept, and written on demand only.
const SNAPSHOTS: [(&str, &str); 1] = [("save", "3600 1")];

async fn ticket_of(client: &Client, buyer: &str) -> Ticket {
    match enqueue(client, "forgotten", buyer).await {
        Enqueued::Queued { ticket, .. } => ticket,
        other => panic!("{buyer} should be in the queue: {other:?}"),
    }
}

async fn restored(client: &Client, buyer: &str, ticket: &Ticket) -> TicketStatus {
    match client.restore(ticket, "forgotten", buyer, 1, Vec::new()).await.expect("an answer") {
        Enqueued::Queued { ticket: restored, status, .. } => {
            assert_eq!(&restored, ticket, "{buyer} gets the same ticket");
            status
        }
        other => panic!("{buyer} should be restored: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_history_gives_no_place_twice_and_orders_are_found_again() {
    let mut system = System::start("forgotten", Shape { redis: &SNAPSHOTS, ..Shape::default() }).await;
    let client = system.client().await;
    let sale = proto::Sale { sale_id: "forgotten".into(), stock: Some(10), ..Default::default() };
    create_sale(&client, sale).await;
    system.redis.command::<String>(&["SAVE"]).await;
    let (ann, bob) = (ticket_of(&client, "ann").await, ticket_of(&client, "bob").await);
    system.ledger_where("forgotten", "ordered", |ledger| tickets(ledger.ordered) == 2).await;
    let order = poll_all(&client, std::slice::from_ref(&ann)).await.remove(0).order_id;
    assert!(order.is_some());

    system.redis.restart().await;
    let lost = poll_all(&client, &[ann.clone(), bob.clone()]).await;
    // Fulfilment may have read the orders from the order system already.
    let is_lost_or_ordered = |status: &TicketStatus| match status.state {
        TicketState::Lost => true,
        TicketState::Ordered => status.order_id.is_some(),
        _ => false,
    };
    assert!(lost.iter().all(is_lost_or_ordered), "{lost:?}");
    let logs = || [system.fronts[0].0.output(), system.fulfilments[0].output()];
    let logged = async {
        while !logs().iter().any(|log| log.contains("the store has lost tickets")) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), logged).await.expect("front or fulfilment logs the loss");
    restored(&client, "ann", &ann).await;
    // Cleo waits until the time to restore has passed; bob comes back only then.
    let cleo = ticket_of(&client, "cleo").await;
    restored(&client, "bob", &bob).await;
    system.ledger_where("forgotten", "ordered", |ledger| tickets(ledger.ordered) == 3).await;

    let all = poll_all(&client, &[ann.clone(), bob.clone(), cleo.clone()]).await;
    assert!(all.iter().all(|status| status.state == TicketState::Ordered), "{all:?}");
    assert_eq!(all[0].order_id, order, "ann's order is found again");
    let orders: HashSet<&Option<String>> = all.iter().map(|status| &status.order_id).collect();
    assert_eq!(orders.len(), 3, "no two buyers have one order: {all:?}");
    assert_eq!(HashSet::from([ann.as_str(), bob.as_str(), cleo.as_str()]).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_redis_has_forgotten_are_counted_and_their_units_are_not_sold_again() {
    let mut system = System::start("recounted", Shape { redis: &SNAPSHOTS, ..Shape::default() }).await;
    let client = system.client().await;
    let sale = proto::Sale { sale_id: "forgotten".into(), stock: Some(2), ..Default::default() };
    create_sale(&client, sale).await;
    system.redis.command::<String>(&["SAVE"]).await;
    let holders = [ticket_of(&client, "ann").await, ticket_of(&client, "bob").await];
    system.ledger_where("forgotten", "ordered", |ledger| tickets(ledger.ordered) == 2).await;
    let before = poll_all(&client, &holders).await;

    // No holder comes back: only the order system knows the orders.
    system.redis.restart().await;
    system.ledger_where("forgotten", "ordered", |ledger| tickets(ledger.ordered) == 2).await;
    let after = poll_all(&client, &holders).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((after.state, &after.order_id), (TicketState::Ordered, &before.order_id));
    }
    assert!(matches!(enqueue(&client, "forgotten", "cleo").await, Enqueued::Refused(_)), "the stock is sold");
}
