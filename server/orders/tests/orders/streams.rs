//! The service over real connections.

use std::{collections::BTreeMap, time::Instant};

use inrush_orders::{Counts, DatabaseUrl, OrderSettings};
use inrush_proto::v1::{OrderRequest, order_result::Outcome};
use inrush_runtime::readiness::Readiness;
use sqlx::{AnyConnection, Connection as _};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    client::{Client, Server, TIMEOUT, entries, eventually, tally},
    databases::{TestDatabase, check, on_every_database, remaining},
};

on_every_database!(
    entries_become_orders_in_their_order,
    streams_that_send_the_same_tickets_get_the_same_orders,
    entries_of_a_failing_database_are_retried_and_nothing_is_lost,
    injected_failures_create_no_orders,
    an_entry_that_the_database_refuses_does_not_affect_the_others,
);

fn settings(database: &TestDatabase) -> OrderSettings {
    OrderSettings { database: database.url.clone(), ..selling(1_000) }
}

/// In memory, with this many shoes.
fn selling(units: u64) -> OrderSettings {
    OrderSettings { stock: BTreeMap::from([("shoes".to_owned(), units)]), ..OrderSettings::default() }
}

/// A second connection to the order system's database.
pub(crate) async fn connect(url: &DatabaseUrl) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(&url.to_string()).await.unwrap()
}

async fn entries_become_orders_in_their_order(database: TestDatabase) {
    let server = Server::start(settings(&database)).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.credit, OrderSettings::default().credit);
    for batch in 0..5 {
        client.send(entries("shoes", batch * 100 + 1..=batch * 100 + 100)).await;
    }
    let answers = client.answers(500).await;
    assert_eq!(tally(&answers), (500, 0, 0));
    let orders = server.store.orders().await.unwrap();
    for (order, seq) in orders.iter().zip(1..) {
        assert_eq!(order.seq, seq, "created in order");
        let Outcome::Created(created) = &answers[&order.ticket_id] else { panic!("{order:?}") };
        assert_eq!(created.order_id, order.order_id);
    }
    assert_eq!(server.statistics.counts(), Counts { created: 500, ..Counts::default() });
    check(&server.store).await;
    client.finish().await;
    server.stop().await;
}

async fn streams_that_send_the_same_tickets_get_the_same_orders(database: TestDatabase) {
    let servers = [Server::start(settings(&database)).await, Server::start(settings(&database)).await];
    let mut clients = Vec::new();
    for server in [&servers[0], &servers[0], &servers[1], &servers[1]] {
        clients.push(Client::connect(server.address).await);
    }
    let exchanges = clients.iter_mut().map(|client| client.exchange(entries("shoes", 1..=300)));
    let answers = futures_util::future::join_all(exchanges).await;
    assert!(answers.iter().all(|other| *other == answers[0]), "all get the same orders");
    assert_eq!(tally(&answers[0]), (300, 0, 0));
    assert_eq!(remaining(&servers[0].store, "shoes").await, 700);
    check(&servers[1].store).await;
    let counts = servers.each_ref().map(|server| server.statistics.counts());
    assert_eq!((counts[0].created + counts[1].created, counts[0].repeated + counts[1].repeated), (300, 900));
    for server in servers {
        server.stop().await;
    }
}

async fn entries_of_a_failing_database_are_retried_and_nothing_is_lost(database: TestDatabase) {
    let server = Server::start(settings(&database)).await;
    let mut client = Client::connect(server.address).await;
    let mut other_connection = connect(&database.url).await;
    sqlx::raw_sql("ALTER TABLE orders RENAME TO hidden").execute(&mut other_connection).await.unwrap();
    let answers = client.exchange(entries("shoes", 1..=50)).await;
    assert_eq!(tally(&answers), (0, 0, 50), "{answers:?}");
    sqlx::raw_sql("ALTER TABLE hidden RENAME TO orders").execute(&mut other_connection).await.unwrap();
    let answers = client.exchange(entries("shoes", 1..=50)).await;
    assert_eq!(tally(&answers), (50, 0, 0), "{answers:?}");
    assert_eq!(remaining(&server.store, "shoes").await, 950);
    assert_eq!(server.statistics.counts(), Counts { created: 50, retried: 50, ..Counts::default() });
    check(&server.store).await;
    server.stop().await;
}

async fn an_entry_that_the_database_refuses_does_not_affect_the_others(database: TestDatabase) {
    let server = Server::start(settings(&database)).await;
    let mut client = Client::connect(server.address).await;
    let mut connection = connect(&database.url).await;
    let refuse = if database.url.to_string().starts_with("sqlite:") {
        "CREATE TRIGGER refuse BEFORE INSERT ON orders WHEN NEW.seq IN (7, 8, 20)
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
    } else {
        "ALTER TABLE orders ADD CHECK (seq NOT IN (7, 8, 20))"
    };
    sqlx::raw_sql(refuse).execute(&mut connection).await.unwrap();
    let answers = client.exchange(entries("shoes", 1..=50)).await;
    let refused: Vec<&str> = answers
        .iter()
        .filter_map(|(ticket, outcome)| matches!(outcome, Outcome::Retry(_)).then_some(ticket.as_str()))
        .collect();
    assert_eq!(refused, ["shoes/1/20", "shoes/1/7", "shoes/1/8"]);
    assert_eq!(tally(&answers), (47, 0, 3));
    let seqs: Vec<u64> = server.store.orders().await.unwrap().iter().map(|order| order.seq).collect();
    assert!(seqs.is_sorted(), "created in order: {seqs:?}");
    check(&server.store).await;
    server.stop().await;
}

async fn injected_failures_create_no_orders(database: TestDatabase) {
    let server = Server::start(OrderSettings { failure_rate: 0.5, ..settings(&database) }).await;
    let mut client = Client::connect(server.address).await;
    let answers = client.exchange(entries("shoes", 1..=400)).await;
    let (created, rejected, retried) = tally(&answers);
    // One in 10^30 runs would miss these bounds.
    assert!((80..320).contains(&created) && rejected == 0, "{created} created");
    assert_eq!(server.store.orders().await.unwrap().len(), created);

    let mut open: Vec<u64> = answers
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Retry(_)))
        .map(|(ticket, _)| ticket.rsplit('/').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(open.len(), retried);
    while !open.is_empty() {
        let answers = client.exchange(entries("shoes", open.iter().copied())).await;
        open.retain(|seq| matches!(answers[&format!("shoes/1/{seq}")], Outcome::Retry(_)));
    }
    assert_eq!(remaining(&server.store, "shoes").await, 600);
    assert_eq!(server.statistics.counts().created, 400);
    check(&server.store).await;
    server.stop().await;
}

/// The server's connections are cut and new ones refused, as in a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_restart_costs_readiness_and_retries_only() {
    let database = TestDatabase::postgres().await;
    let readiness = Readiness::new();
    let server = Server::start_with(settings(&database), |system| system.with_readiness(&readiness)).await;
    readiness.wait_until(true).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=10)).await), (10, 0, 0));

    let postgres = inrush_testkit::postgres::Postgres::shared().await.unwrap();
    let mut neighbour = connect(&postgres.url().parse().unwrap()).await;
    let url = database.url.to_string();
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let run = async |neighbour: &mut AnyConnection, sql: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(neighbour).await.unwrap();
    };
    run(&mut neighbour, format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let cut =
        format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{name}'");
    run(&mut neighbour, cut).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=20)).await), (0, 0, 20));
    tokio::time::timeout(TIMEOUT, readiness.wait_until(false)).await.unwrap();
    let missing = readiness.report().missing;
    assert!(missing["order_database"].contains("until it is back"), "{missing:?}");

    run(&mut neighbour, format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=20)).await), (20, 0, 0));
    assert_eq!(remaining(&server.store, "shoes").await, 980);
    tokio::time::timeout(TIMEOUT, readiness.wait_until(true)).await.unwrap();
    check(&server.store).await;
    server.stop().await;
}

#[tokio::test]
async fn malformed_entries_are_rejected_with_the_reason() {
    let server = Server::start(selling(2)).await;
    let mut client = Client::connect(server.address).await;
    let mut orders = entries("shoes", 1..=3);
    orders.extend(entries("hats", 1..=1));
    orders.push(OrderRequest { ticket_id: "no-units".to_owned(), units: 0, ..orders[0].clone() });
    orders.push(OrderRequest { ticket_id: String::new(), ..orders[0].clone() });
    let answers = client.exchange(orders).await;
    let reason = |ticket: &str| match &answers[ticket] {
        Outcome::Rejected(rejected) => rejected.reason.as_str(),
        Outcome::Created(_) => "created",
        Outcome::Retry(_) => "retry",
    };
    assert_eq!((reason("shoes/1/1"), reason("shoes/1/2")), ("created", "created"));
    assert_eq!(reason("shoes/1/3"), "out_of_stock");
    assert_eq!(reason("hats/1/1"), "unknown_sale");
    assert_eq!(reason("no-units"), "malformed: units must be 1 to 1000000");
    assert!(reason("").starts_with("malformed: ticket_id"));
    let expected = Counts { created: 2, rejected: 4, ..Counts::default() };
    assert_eq!(server.statistics.counts(), expected);
    server.stop().await;
}

#[tokio::test]
async fn entries_that_contradict_an_order_are_rejected_with_the_reason_and_counted() {
    let server = Server::start(selling(10)).await;
    let mut client = Client::connect(server.address).await;
    client.exchange(entries("shoes", 1..=1)).await;
    let first = || entries("shoes", 1..=1).remove(0);
    let mut rejected = async |order: OrderRequest| {
        let answers = client.exchange(vec![order]).await;
        let Some(Outcome::Rejected(rejected)) = answers.values().next() else { panic!("{answers:?}") };
        rejected.reason.clone()
    };
    let stranger = OrderRequest { buyer_id: "stranger".to_owned(), ..first() };
    assert_eq!(rejected(stranger).await, "ticket_conflict");
    assert_eq!(rejected(OrderRequest { units: 2, ..first() }).await, "ticket_conflict");
    let second = OrderRequest { ticket_id: "shoes/1/2".to_owned(), seq: 2, ..first() };
    assert_eq!(rejected(second).await, "already_ordered");
    let counts = server.statistics.counts();
    assert_eq!((counts.rejected, counts.ticket_conflicts, counts.buyer_conflicts), (3, 2, 1));
    assert_eq!(remaining(&server.store, "shoes").await, 9);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_names_the_attempt() {
    let server = Server::start(selling(1)).await;
    let mut client = Client::connect(server.address).await;
    let mut orders = entries("shoes", 1..=2);
    orders.push(OrderRequest { ticket_id: "no-units".to_owned(), units: 0, ..orders[0].clone() });
    for (order, attempt) in orders.iter_mut().zip(7..) {
        order.attempt = attempt;
    }
    client.send(orders).await;
    let mut attempts = client.results(3).await;
    attempts.sort_by_key(|result| result.attempt);
    let attempts: Vec<_> =
        attempts.iter().map(|result| (result.ticket_id.as_str(), result.attempt)).collect();
    assert_eq!(attempts, [("shoes/1/1", 7), ("shoes/1/2", 8), ("no-units", 9)]);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_above_its_credit_is_delayed_and_answered() {
    let server = Server::start(OrderSettings { credit: 4, max_batch: 3, ..selling(1_000) }).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.credit, 4);
    assert_eq!(tally(&client.exchange(entries("shoes", 1..=200)).await), (200, 0, 0));
    client.finish().await;
    server.stop().await;
}

/// Only the lower bound depends on the order system; the upper one depends on the machine.
#[tokio::test]
async fn orders_are_created_no_faster_than_the_capacity() {
    let server = Server::start(OrderSettings { capacity: 200, ..selling(1_000) }).await;
    let mut clients = [Client::connect(server.address).await, Client::connect(server.address).await];
    let start = Instant::now();
    let [first, second] = &mut clients;
    let (first, second) =
        tokio::join!(first.exchange(entries("shoes", 1..=60)), second.exchange(entries("shoes", 61..=120)));
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((tally(&first), tally(&second)), ((60, 0, 0), (60, 0, 0)));
    // A tenth of a second's worth may pass together.
    assert!(seconds >= (120.0 - 20.0) / 200.0, "120 orders took {seconds} s at 200 per second");
    server.stop().await;
}

#[tokio::test]
async fn injected_latency_delays_answers_and_costs_no_capacity() {
    let latency = std::time::Duration::from_millis(200);
    let server = Server::start(OrderSettings { latency, max_batch: 1, ..selling(1_000) }).await;
    let mut client = Client::connect(server.address).await;
    let start = Instant::now();
    client.send(entries("shoes", 1..=300)).await;
    let first = client.answers(1).await;
    assert!(start.elapsed() >= latency, "an answer came after {:?}", start.elapsed());
    client.answers(300 - first.len()).await;
    assert!(start.elapsed() < latency * 150, "orders waited for each other: {:?}", start.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_answers_accepted_entries_and_then_ends_the_streams() {
    let settings =
        OrderSettings { capacity: 100, latency: std::time::Duration::from_millis(100), ..selling(1_000) };
    let server = Server::start(settings).await;
    let mut client = Client::connect(server.address).await;
    let mut idle = Client::connect(server.address).await;
    client.send(entries("shoes", 1..=100)).await;
    eventually("an order is created", async || server.statistics.counts().created > 0).await;
    server.begin_shutdown();
    assert_eq!(tally(&client.answers(100).await), (100, 0, 0), "the message was accepted as a whole");
    client.closed().await;
    idle.closed().await;
    let refused = Client::try_connect(server.address).await.err().map(|status| status.code());
    assert_eq!(refused, Some(Code::Unavailable));
    check(&server.store).await;
    server.stop().await;
}

#[tokio::test]
async fn health_is_not_serving_during_the_drain() {
    let server = Server::start(selling(1)).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    for service in ["", "inrush.v1.OrderCreationService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    let watch = HealthCheckRequest { service: "inrush.v1.OrderCreationService".to_owned() };
    let mut changes = health.watch(watch).await.unwrap().into_inner();
    assert_eq!(changes.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.begin_shutdown();
    assert_eq!(changes.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    // A client that watches health never disconnects, and does not delay the shutdown.
    server.stop().await;
}

#[tokio::test]
async fn a_disconnected_stream_does_not_affect_others() {
    let server = Server::start(OrderSettings { capacity: 100, ..selling(1_000) }).await;
    let vanishing = Client::connect(server.address).await;
    vanishing.send(entries("shoes", 1..=500)).await;
    eventually("an order is created", async || server.statistics.counts().created > 0).await;
    drop(vanishing);
    let mut client = Client::connect(server.address).await;
    assert_eq!(tally(&client.exchange(entries("shoes", 501..=510)).await), (10, 0, 0));
    let orders = server.store.orders().await.unwrap().len();
    assert!(orders < 400, "{orders} orders: five seconds of capacity were spent on disconnected streams");
    check(&server.store).await;
    server.stop().await;
}

#[tokio::test]
async fn invalid_settings_and_databases_are_refused_with_the_reason() {
    for (settings, expected) in [
        (OrderSettings { max_batch: 0, ..selling(1) }, "max_batch is 0"),
        (
            OrderSettings { database: "sqlite:/nowhere/at/all/orders.db".parse().unwrap(), ..selling(1) },
            "/nowhere/at/all/orders.db",
        ),
    ] {
        let error = inrush_orders::OrderSystem::open(settings).await.err().map(|error| format!("{error:#}"));
        assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{error:?}");
    }
}

#[tokio::test]
async fn a_postgresql_database_that_is_not_utf8_is_refused_with_the_remedy() {
    let postgres = inrush_testkit::postgres::Postgres::shared().await.unwrap();
    let name = format!("inrush_orders_latin1_{}", std::process::id());
    let url = postgres.create_database(&name).await.unwrap();
    let mut neighbour = connect(&postgres.url().parse().unwrap()).await;
    for statement in [
        format!("DROP DATABASE {name}"),
        format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut neighbour).await.unwrap();
    }
    let settings = OrderSettings { database: url.parse().unwrap(), ..selling(1) };
    let error = inrush_orders::OrderSystem::open(settings).await.err().map(|error| format!("{error:#}"));
    let error = error.unwrap();
    for part in ["LATIN1", "must be UTF8", "CREATE DATABASE", "ENCODING 'UTF8'"] {
        assert!(error.contains(part), "{error}");
    }
}
