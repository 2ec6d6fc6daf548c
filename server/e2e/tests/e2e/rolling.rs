//! Every front and every fulfilment is restarted, one after the other, in the middle of a sale: no call fails, and nothing is
//! oversold, lost, duplicated or out of order.

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
use inrush_orders::OrderBook;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::system::{Shape, System, create_sale, start_front_with, tickets};

const SALE: &str = "phone-x";
/// Buyers who ask at once, each after the other. Half of them watch their tickets to the end, and so have streams open to both
/// fronts whenever one leaves.
const LANES: u64 = 16;
/// How long a lane waits between its buyers, so that the order system keeps pace and a line forms all the same.
const PAUSE: Duration = Duration::from_millis(30);
const ORDERS_PER_SECOND: &str = "250";
/// More than can come in the time that all restarts take, on any machine.
const PLENTY: u64 = 1_000_000;
/// Units that are left in the end, for twice as many buyers.
const LAST_UNITS: u64 = 20;
/// Orders between one restart and the next.
const MEANWHILE: u64 = 100;

/// A buyer's ticket, when it was asked for and when given out.
struct Held {
    buyer: String,
    ticket: Ticket,
    seq: u64,
    asked: Instant,
    told: Instant,
}

#[tokio::test(flavor = "multi_thread")]
async fn restarting_everything_in_turn_during_a_sale_is_seen_by_no_caller() {
    let variables = [("INRUSH_FRONT_DRAIN_GRACE", "1s")];
    let orders = ["--capacity", ORDERS_PER_SECOND];
    let shape =
        Shape { fronts: 2, fulfilments: 2, orders: &orders, variables: &variables, ..Shape::default() };
    let mut system = System::start("rolling", shape).await;
    let client = system.client().await;
    let sale = proto::Sale { sale_id: SALE.into(), stock: Some(PLENTY), ..Default::default() };
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
    check_line(&held);
    check_orders(&system.database, &held).await;
    check_tickets(&client, &held).await;
}

/// As an orchestrator does: SIGTERM, wait for the end, start anew; one process after the other.
async fn restart_everything(system: &mut System, variables: &[(&str, &str)]) {
    let mut ordered = 0;
    for front in 0..system.fronts.len() {
        ordered = sold_on(system, ordered).await;
        let (old, port) = &mut system.fronts[front];
        old.terminate();
        assert_eq!(old.end().await.code(), Some(0), "{}", old.said());
        let port = *port;
        system.fronts[front] = start_front_with(&system.redis.url(), port, variables).await;
    }
    for _ in 0..system.fulfilments.len() {
        ordered = sold_on(system, ordered).await;
        let mut old = system.fulfilments.remove(0);
        old.terminate();
        assert_eq!(old.end().await.code(), Some(0), "{}", old.said());
        system.start_fulfilment();
    }
    sold_on(system, ordered).await;
}

/// Waits until the sale has gone on, and gives how many orders there are.
async fn sold_on(system: &System, before: u64) -> u64 {
    let further = |ledger: &proto::Ledger| tickets(ledger.ordered) >= before + MEANWHILE;
    tickets(system.ledger_where(SALE, "further", further).await.ordered)
}

/// Buyers come until it is over. Whatever the client has to ask twice it asks twice by itself: an error ends the test.
async fn rush(client: Client, over: Arc<AtomicBool>) -> Vec<Held> {
    let next = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (client, next, over) = (client.clone(), Arc::clone(&next), Arc::clone(&over));
        lanes.spawn(async move {
            let mut held = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let buyer = format!("buyer-{}", next.fetch_add(1, Ordering::Relaxed));
                let place = enqueue(&client, &buyer).await.expect("there is plenty");
                if lane % 2 == 0 {
                    watch(&client, &place).await;
                }
                held.push(place);
                sleep(PAUSE).await;
            }
            held
        });
    }
    lanes.join_all().await.into_iter().flatten().collect()
}

/// Asks for a unit. None: it is sold out.
async fn enqueue(client: &Client, buyer: &str) -> Option<Held> {
    let asked = Instant::now();
    match client.enqueue(SALE, buyer, 1, Vec::new()).await {
        Ok(Enqueued::Queued { ticket, status, .. }) => {
            let seq = status.ticket_id.rsplit('/').next().and_then(|seq| seq.parse().ok()).expect("a number");
            Some(Held { buyer: buyer.to_owned(), ticket, seq, asked, told: Instant::now() })
        }
        Ok(Enqueued::Refused(_)) => None,
        other => panic!("{buyer}: {other:?}"),
    }
}

/// Watches a ticket until it is ordered.
async fn watch(client: &Client, held: &Held) {
    let mut watch = client.watch(&held.ticket);
    let mut last = None;
    while let Some(status) = watch.next().await {
        last = Some(status.unwrap_or_else(|error| panic!("{}: {error}", held.buyer)).state);
    }
    assert_eq!(last, Some(TicketState::Ordered), "{}", held.buyer);
}

/// Leaves a few units, for which more buyers come than there are.
async fn sell_out(client: &Client, sold: u64) -> Vec<Held> {
    let sale = proto::Sale { sale_id: SALE.into(), stock: Some(sold + LAST_UNITS), ..Default::default() };
    client.admin().update_sale(sale, ["stock"]).await.expect("the stock can be changed");
    let mut held = Vec::new();
    for buyer in 0..2 * LAST_UNITS {
        held.extend(enqueue(client, &format!("late-{buyer}")).await);
    }
    assert_eq!(held.len() as u64, LAST_UNITS, "oversold, or units are missing");
    held
}

/// Each has a number of its own, none is missing, and whoever had an answer before another asked has the lower one.
fn check_line(held: &[Held]) {
    let mut numbers: Vec<u64> = held.iter().map(|held| held.seq).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=held.len() as u64), "numbers have gaps, or were given twice");
    let mut by_call: Vec<&Held> = held.iter().collect();
    by_call.sort_by_key(|held| held.asked);
    let mut by_answer: Vec<&Held> = held.iter().collect();
    by_answer.sort_by_key(|held| held.told);
    let mut answered = by_answer.into_iter().peekable();
    let mut highest = 0;
    for held in by_call {
        while let Some(earlier) = answered.next_if(|earlier| earlier.told < held.asked) {
            highest = highest.max(earlier.seq);
        }
        assert!(held.seq > highest, "ticket {} was asked for after {highest} was given out", held.seq);
    }
}

/// One order for each ticket, for its buyer, and none for anybody else.
async fn check_orders(database: &str, held: &[Held]) {
    let book = OrderBook::open(&database.parse().expect("a database URL")).await.expect("the order database");
    let orders = book.orders().await.expect("orders");
    book.close().await;
    let buyers: HashMap<u64, &str> =
        orders.iter().map(|order| (order.seq, order.buyer_id.as_str())).collect();
    assert_eq!(buyers.len(), orders.len(), "a ticket has two orders");
    assert_eq!(orders.len(), held.len(), "orders that nobody asked for, or lost ones");
    for held in held {
        assert_eq!(buyers.get(&held.seq), Some(&held.buyer.as_str()), "the order of ticket {}", held.seq);
    }
}

async fn check_tickets(client: &Client, held: &[Held]) {
    for batch in held.chunks(200) {
        let asked: Vec<Ticket> = batch.iter().map(|held| held.ticket.clone()).collect();
        for answer in client.poll_many(&asked).await.expect("the fronts answer") {
            assert_eq!(answer.expect("every ticket is known").state, TicketState::Ordered);
        }
    }
}
