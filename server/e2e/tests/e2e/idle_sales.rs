//! Ten thousand open sales of which one is busy: the idle ones cost Redis nothing that grows with their number.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use inrush_client::{Client, proto};
use tokio::time::{Instant, sleep};

use crate::system::{Shape, System, create_sale, enqueue, tickets};

const IDLE: usize = 10_000;
const SAMPLE_DURATION: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn idle_sales_cost_nothing_that_grows_with_their_number() {
    let system = System::start("idle", Shape::default()).await;
    let client = system.client().await;
    create_sale(&client, sale("busy".into())).await;
    sell(&system, &client, 0).await;
    let alone = commands_per_second(&system).await;

    stream::iter(0..IDLE)
        .for_each_concurrent(64, |number| create_sale(&client, sale(format!("idle-{number}"))))
        .await;
    // Each new sale is probed once.
    until_quiet(&system).await;
    let among_many = commands_per_second(&system).await;
    // The fallback sweep has a fixed rate: a few dozen scripts a second, with some commands each, however many sales there
    // are.
    assert!(among_many < alone + 300.0, "{alone} commands/s with one sale, {among_many} with {IDLE} more");
    sell(&system, &client, 100).await;
}

fn sale(sale_id: String) -> proto::Sale {
    proto::Sale { sale_id, stock: Some(1_000), ..Default::default() }
}

/// Sells a hundred units of the busy sale.
async fn sell(system: &System, client: &Client, sold_before: u64) {
    for number in 0..100 {
        let buyer = format!("buyer-{}", sold_before + number);
        enqueue(client, "busy", &buyer).await;
    }
    system.ledger_where("busy", "sold", |ledger| tickets(ledger.ordered) == sold_before + 100).await;
}

/// Commands per second of Redis, those of scripts included.
async fn commands_per_second(system: &System) -> f64 {
    let (before, started) = (commands(system).await, Instant::now());
    sleep(SAMPLE_DURATION).await;
    (commands(system).await - before) / started.elapsed().as_secs_f64()
}

async fn commands(system: &System) -> f64 {
    let stats: String = system.redis.command(&["INFO", "stats"]).await;
    let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.and_then(|count| count.trim().parse().ok()).expect("INFO has total_commands_processed")
}

async fn until_quiet(system: &System) {
    for _ in 0..60 {
        if commands_per_second(system).await < 400.0 {
            return;
        }
    }
    panic!("Redis is still busy with idle sales");
}
