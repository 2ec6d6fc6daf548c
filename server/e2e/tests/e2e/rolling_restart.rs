//! Every front and every fulfilment is restarted, one after the other, in the middle of a sale: no call fails,
//! and nothing is oversold, lost, duplicated or out of order.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use inrush_client::{Client, Enqueued, Ticket, TicketState, proto};
use inrush_orders::OrderStore;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::system::{Shape, System, create_sale, poll_all, start_front_with, tickets};

const SALE: &str = "phone-x";
/// Concurrent workers. Half of them watch each ticket to its end, so that streams to both fronts are open
/// whenever one drains.
const WORKERS: u64 = 16;
/// Pause of a worker between two buyers: a queue forms, and the order system still keeps up.
const ENQUEUE_INTERVAL: Duration = Duration::from_millis(30);
const ORDERS_PER_SECOND: &str = "250";
/// More than can be sold during all restarts, on any machine.
const AMPLE_STOCK: u64 = 1_000_000;
/// Units that are left for the last buyers, of whom there are twice as many.
const FINAL_STOCK: u64 = 20;
/// New orders between two restarts.
const ORDERS_BETWEEN_RESTARTS: u64 = 100;

/// An acknowledged ticket, with the times before and after its Enqueue.
struct IssuedTicket {
    buyer: String,
    ticket: Ticket,
    seq: u64,
    enqueued_at: Instant,
    acknowledged_at: Instant,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_during_a_sale_fails_no_call() {
    let variables = [("INRUSH_FRONT_DRAIN_GRACE", "1s")];
    let orders = ["--capacity", ORDERS_PER_SECOND];
    let shape =
        Shape { fronts: 2, fulfilments: 2, orders: &orders, variables: &variables, ..Shape::default() };
    let mut system = System::start("rolling", shape).await;
    let client = system.client().await;
    let sale = proto::Sale { sale_id: SALE.into(), stock: Some(AMPLE_STOCK), ..Default::default() };
    create_sale(&client, sale).await;
    let over = Arc::new(AtomicBool::new(false));
    let rush = tokio::spawn(rush(client.clone(), Arc::clone(&over)));
    restart_everything(&mut system, &variables).await;
    over.store(true, Ordering::Relaxed);
    let mut held = rush.await.expect("every call has an answer");
    held.extend(sell_out(&client, held.len() as u64).await);

    let sold = held.len() as u64;
    let all_ordered =
        |ledger: &proto::Ledger| tickets(ledger.ordered) == sold && tickets(ledger.in_flight) == 0;
    let ledger = system.ledger_where(SALE, "all ordered", all_ordered).await;
    assert_eq!(tickets(ledger.admitted), sold, "{ledger:#?}");
    check_seqs(&held);
    check_orders(&system.database, &held).await;
    check_tickets(&client, &held).await;
}

/// As an orchestrator does: SIGTERM, wait for the exit, start again; one process after the other.
async fn restart_everything(system: &mut System, variables: &[(&str, &str)]) {
    let mut ordered = 0;
    for front in 0..system.fronts.len() {
        ordered = wait_for_progress(system, ordered).await;
        let (old, port) = &mut system.fronts[front];
        old.terminate();
        assert_eq!(old.wait().await.code(), Some(0), "{}", old.output());
        let port = *port;
        system.fronts[front] = start_front_with(&system.redis.url(), port, variables).await;
    }
    for _ in 0..system.fulfilments.len() {
        ordered = wait_for_progress(system, ordered).await;
        let mut old = system.fulfilments.remove(0);
        old.terminate();
        assert_eq!(old.wait().await.code(), Some(0), "{}", old.output());
        system.start_fulfilment();
    }
    wait_for_progress(system, ordered).await;
}

/// Waits for more orders, and returns their number.
async fn wait_for_progress(system: &System, before: u64) -> u64 {
    let further = |ledger: &proto::Ledger| tickets(ledger.ordered) >= before + ORDERS_BETWEEN_RESTARTS;
    tickets(system.ledger_where(SALE, "further", further).await.ordered)
}

/// Enqueues buyers until `over`. The client retries by itself: an error fails the test.
async fn rush(client: Client, over: Arc<AtomicBool>) -> Vec<IssuedTicket> {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (client, next, over) = (client.clone(), Arc::clone(&next), Arc::clone(&over));
        workers.spawn(async move {
            let mut held = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let buyer = format!("buyer-{}", next.fetch_add(1, Ordering::Relaxed));
                let place = enqueue(&client, &buyer).await.expect("the stock is ample");
                if worker % 2 == 0 {
                    watch(&client, &place).await;
                }
                held.push(place);
                sleep(ENQUEUE_INTERVAL).await;
            }
            held
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// Enqueues a buyer. `None` if the sale is sold out.
async fn enqueue(client: &Client, buyer: &str) -> Option<IssuedTicket> {
    let enqueued_at = Instant::now();
    match client.enqueue(SALE, buyer, 1, Vec::new()).await {
        Ok(Enqueued::Queued { ticket, status, .. }) => {
            let seq = status.ticket_id.rsplit('/').next().and_then(|seq| seq.parse().ok()).expect("a seq");
            Some(IssuedTicket {
                buyer: buyer.to_owned(),
                ticket,
                seq,
                enqueued_at,
                acknowledged_at: Instant::now(),
            })
        }
        Ok(Enqueued::Refused(_)) => None,
        other => panic!("{buyer}: {other:?}"),
    }
}

/// Watches a ticket until it is ordered.
async fn watch(client: &Client, held: &IssuedTicket) {
    let mut watch = client.watch(&held.ticket);
    let mut last = None;
    while let Some(status) = watch.next().await {
        last = Some(status.unwrap_or_else(|error| panic!("{}: {error}", held.buyer)).state);
    }
    assert_eq!(last, Some(TicketState::Ordered), "{}", held.buyer);
}

/// Reduces the stock to a few more units, and enqueues twice as many buyers.
async fn sell_out(client: &Client, sold: u64) -> Vec<IssuedTicket> {
    let sale = proto::Sale { sale_id: SALE.into(), stock: Some(sold + FINAL_STOCK), ..Default::default() };
    client.admin().update_sale(sale, ["stock"]).await.expect("the stock can be changed");
    let mut held = Vec::new();
    for buyer in 0..2 * FINAL_STOCK {
        held.extend(enqueue(client, &format!("late-{buyer}")).await);
    }
    assert_eq!(held.len() as u64, FINAL_STOCK, "oversold, or units are missing");
    held
}

/// Seqs are unique and have no gaps, and a ticket that was acknowledged before another was enqueued has the lower
/// seq.
fn check_seqs(held: &[IssuedTicket]) {
    let mut seqs: Vec<u64> = held.iter().map(|held| held.seq).collect();
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(1..=held.len() as u64), "seqs have gaps or duplicates");
    let mut by_call: Vec<&IssuedTicket> = held.iter().collect();
    by_call.sort_by_key(|held| held.enqueued_at);
    let mut by_answer: Vec<&IssuedTicket> = held.iter().collect();
    by_answer.sort_by_key(|held| held.acknowledged_at);
    let mut answered = by_answer.into_iter().peekable();
    let mut highest = 0;
    for held in by_call {
        while let Some(earlier) = answered.next_if(|earlier| earlier.acknowledged_at < held.enqueued_at) {
            highest = highest.max(earlier.seq);
        }
        assert!(held.seq > highest, "ticket {} was enqueued after {highest} was acknowledged", held.seq);
    }
}

/// Exactly one order per ticket, for its buyer.
async fn check_orders(database: &str, held: &[IssuedTicket]) {
    let order_store =
        OrderStore::open(&database.parse().expect("a database URL")).await.expect("the order database");
    let orders = order_store.orders().await.expect("orders");
    order_store.close().await;
    let buyers: HashMap<u64, &str> =
        orders.iter().map(|order| (order.seq, order.buyer_id.as_str())).collect();
    assert_eq!(buyers.len(), orders.len(), "a ticket has two orders");
    assert_eq!(orders.len(), held.len(), "orders without a ticket, or tickets without an order");
    for held in held {
        assert_eq!(buyers.get(&held.seq), Some(&held.buyer.as_str()), "the order of ticket {}", held.seq);
    }
}

async fn check_tickets(client: &Client, held: &[IssuedTicket]) {
    let tickets: Vec<Ticket> = held.iter().map(|held| held.ticket.clone()).collect();
    let statuses = poll_all(client, &tickets).await;
    assert_eq!(statuses.len(), held.len());
    assert!(statuses.iter().all(|status| status.state == TicketState::Ordered), "lost: {statuses:?}");
}
