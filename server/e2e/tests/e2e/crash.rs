//! A front and a fulfilment are killed in the middle of a sale: every acknowledged ticket still reaches a final
//! state.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use inrush_client::{Client, Enqueued, Ticket, TicketState, proto};
use inrush_orders::OrderStore;
use tokio::{task::JoinSet, time::sleep};

use crate::system::{self, Shape, System, connect, create_sale, poll_all, tickets};

const SALE: &str = "phone-x";
const STOCK: u64 = 600;
const BUYERS: u64 = 3_000;
const WORKERS: u64 = 32;

/// One acknowledged ticket.
struct Acknowledged {
    buyer: String,
    ticket: Ticket,
    seq: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_a_front_and_a_fulfilment_are_killed() {
    // Slow enough that processes can be killed in the middle of the sale; leases short enough that recovery is seen.
    let orders = ["--capacity", "300"];
    let mut system =
        System::start("crash", Shape { fronts: 2, fulfilments: 2, orders: &orders, ..Shape::default() })
            .await;
    let client = system.client().await;
    let lease = prost_duration(2);
    create_sale(
        &client,
        proto::Sale {
            sale_id: SALE.into(),
            stock: Some(STOCK),
            lease_duration: Some(lease),
            max_attempts: 50,
            ..Default::default()
        },
    )
    .await;

    let rush = tokio::spawn(rush(client.clone()));
    system
        .ledger_where(SALE, "in the middle of the sale", |ledger| {
            tickets(ledger.ordered) >= STOCK / 5 && tickets(ledger.in_flight) > 0
        })
        .await;
    system.fronts[1].0.kill();
    system.fulfilments[0].kill();

    let acknowledged = rush.await.expect("the rush does not fail");
    let ledger = system
        .ledger_where(SALE, "all ordered", |ledger| {
            tickets(ledger.ordered) == STOCK && tickets(ledger.in_flight) == 0
        })
        .await;
    assert_eq!(tickets(ledger.admitted), STOCK, "{ledger:#?}");

    let survivor = connect(&[system.fronts[0].1]).await;
    let states = final_states(&survivor, &acknowledged).await;
    assert!(states.values().all(|&state| state == TicketState::Ordered), "lost: {states:?}");
    check_orders(&system.database, &acknowledged).await;
    check_seqs(&acknowledged);
}

/// Every buyer retries until it has a response; the client fails over from the killed front.
async fn rush(client: Client) -> Vec<Acknowledged> {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (client, next) = (client.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut held = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= BUYERS {
                    return held;
                }
                held.extend(enqueue(&client, format!("buyer-{number}")).await);
                // Spread over the time in which processes are killed.
                sleep(Duration::from_millis(10)).await;
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

async fn enqueue(client: &Client, buyer: String) -> Option<Acknowledged> {
    match system::enqueue(client, SALE, &buyer).await {
        Enqueued::Queued { ticket, status, .. } => {
            let seq = status.ticket_id.rsplit('/').next().and_then(|seq| seq.parse().ok()).expect("a seq");
            Some(Acknowledged { buyer, ticket, seq })
        }
        Enqueued::Refused(_) => None,
        Enqueued::Bypass => panic!("the sale queues"),
    }
}

async fn final_states(client: &Client, acknowledged: &[Acknowledged]) -> HashMap<u64, TicketState> {
    let tickets: Vec<Ticket> = acknowledged.iter().map(|held| held.ticket.clone()).collect();
    let statuses = poll_all(client, &tickets).await;
    assert_eq!(statuses.len(), acknowledged.len());
    acknowledged.iter().zip(statuses).map(|(held, status)| (held.seq, status.state)).collect()
}

/// One order for each ticket, each for its buyer, as many as the stock, and a balanced stock ledger.
async fn check_orders(database: &str, acknowledged: &[Acknowledged]) {
    let order_store =
        OrderStore::open(&database.parse().expect("a database URL")).await.expect("the order database");
    let orders = order_store.orders().await.expect("orders");
    assert_eq!(orders.len() as u64, STOCK, "oversold or lost");
    let by_ticket: HashMap<u64, &str> =
        orders.iter().map(|order| (order.seq, order.buyer_id.as_str())).collect();
    assert_eq!(by_ticket.len(), orders.len(), "a ticket has two orders");
    let buyers: HashSet<&str> = orders.iter().map(|order| order.buyer_id.as_str()).collect();
    assert_eq!(buyers.len(), orders.len(), "a buyer has two orders");
    for held in acknowledged {
        assert_eq!(by_ticket.get(&held.seq), Some(&held.buyer.as_str()), "the order of ticket {}", held.seq);
    }
    let moved: i64 =
        order_store.movements().await.expect("movements").iter().map(|movement| movement.units).sum();
    assert_eq!(moved, 0, "all stock is sold");
    order_store.close().await;
}

fn check_seqs(acknowledged: &[Acknowledged]) {
    let seqs: HashSet<u64> = acknowledged.iter().map(|held| held.seq).collect();
    assert_eq!(seqs.len(), acknowledged.len(), "a seq was issued twice");
    assert_eq!(seqs, (1..=STOCK).collect(), "seqs have gaps");
}

fn prost_duration(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}
