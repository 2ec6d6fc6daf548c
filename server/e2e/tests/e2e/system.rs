//! A whole system of processes on one Redis, as an operator would run it.

use std::time::Duration;

use inrush_client::{CallError, Client, Enqueued, Ticket, TicketError, TicketStatus, proto};
use inrush_testkit::{
    inrush, port::free_port, postgres::Postgres, process::TestProcess, redis_server::RedisServer,
    retry::retry,
};
use tokio::time::{Instant, sleep};

/// The key of all fronts of a test. It is not a secret.
pub(crate) const TICKET_KEYS: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Longer than any step of these tests takes, on any machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The processes of a system and their ports.
pub(crate) struct System {
    pub(crate) redis: RedisServer,
    pub(crate) fronts: Vec<(TestProcess, u16)>,
    pub(crate) fulfilments: Vec<TestProcess>,
    /// Killed with the system.
    _orders: TestProcess,
    orders_port: u16,
    pub(crate) database: String,
}

/// The number of processes and their settings.
pub(crate) struct Shape<'a> {
    pub(crate) fronts: usize,
    pub(crate) fulfilments: usize,
    pub(crate) redis: &'a [(&'a str, &'a str)],
    pub(crate) orders: &'a [&'a str],
    pub(crate) variables: &'a [(&'a str, &'a str)],
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self { fronts: 1, fulfilments: 1, redis: &[], orders: &[], variables: &[] }
    }
}

impl System {
    /// Starts everything, orders on a PostgreSQL database of its own.
    pub(crate) async fn start(name: &str, shape: Shape<'_>) -> Self {
        let redis = RedisServer::start_with(shape.redis).await;
        let postgres = Postgres::shared().await.expect("a PostgreSQL server");
        let database = postgres.create_database(name).await.expect("a database");
        let mut fronts = Vec::new();
        for _ in 0..shape.fronts {
            fronts.push(start_front_with(&redis.url(), free_port(), shape.variables).await);
        }
        let front = format!("http://127.0.0.1:{}", fronts[0].1);
        let orders_port = free_port();
        let listen = format!("127.0.0.1:{orders_port}");
        let mut arguments = vec!["orders", "--listen", &listen, "--admin-listen", "off", "--front", &front];
        arguments.extend(["--database", &database]);
        arguments.extend(shape.orders);
        let mut orders = inrush::start(&arguments, &[]);
        orders.wait_for_port(orders_port).await;
        let mut system =
            Self { redis, fronts, fulfilments: Vec::new(), _orders: orders, orders_port, database };
        for _ in 0..shape.fulfilments {
            system.start_fulfilment();
        }
        system
    }

    /// Starts one more fulfilment.
    pub(crate) fn start_fulfilment(&mut self) {
        let orders = format!("http://127.0.0.1:{}", self.orders_port);
        let arguments =
            ["fulfilment", "--store", &self.redis.url(), "--orders", &orders, "--admin-listen", "off"];
        self.fulfilments.push(inrush::start(&arguments, &[]));
    }

    /// A client of all fronts.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.fronts.iter().map(|&(_, port)| port).collect::<Vec<_>>()).await
    }

    /// Waits until the sale's ledger is as `wanted`, and returns it.
    pub(crate) async fn ledger_where(
        &self,
        sale: &str,
        what: &str,
        wanted: impl Fn(&proto::Ledger) -> bool,
    ) -> proto::Ledger {
        let client = self.client().await;
        let started = Instant::now();
        loop {
            let ledger =
                client.admin().get_sale(sale).await.ok().and_then(|sale| sale.ledger).unwrap_or_default();
            if wanted(&ledger) {
                return ledger;
            }
            assert!(started.elapsed() < TIMEOUT, "still not {what}: {ledger:#?}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Starts a front on a free port.
pub(crate) async fn start_front(store: &str) -> (TestProcess, u16) {
    start_front_with(store, free_port(), &[]).await
}

/// Starts a front on this port with these variables.
pub(crate) async fn start_front_with(
    store: &str,
    port: u16,
    variables: &[(&str, &str)],
) -> (TestProcess, u16) {
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["front", "--listen", &listen, "--store", store, "--admin-listen", "off"];
    let variables = [&[("INRUSH_TICKETS_KEYS", TICKET_KEYS)][..], variables].concat();
    let mut front = inrush::start(&arguments, &variables);
    front.wait_for_port(port).await;
    (front, port)
}

/// A client of the fronts on these ports.
pub(crate) async fn connect(ports: &[u16]) -> Client {
    let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let settings = inrush_client::ClientSettings::balanced(urls);
    Client::connect(settings).await.expect("a front answers")
}

/// The tickets of a count; an absent count is zero.
pub(crate) fn tickets(count: Option<proto::Count>) -> u64 {
    count.unwrap_or_default().tickets
}

/// Tickets in one request of [`poll_all`].
const POLL_BATCH: usize = 200;

/// Creates a sale, with retries: its repetition is harmless.
pub(crate) async fn create_sale(client: &Client, sale: proto::Sale) {
    let admin = client.admin();
    retry("create a sale", CallError::is_transient, || admin.create_sale(sale.clone())).await;
}

/// Enqueues a buyer for one unit, with retries: a buyer gets one ticket, however often it asks.
pub(crate) async fn enqueue(client: &Client, sale: &str, buyer: &str) -> Enqueued {
    retry(buyer, CallError::is_transient, || client.enqueue(sale, buyer, 1, Vec::new())).await
}

/// The statuses of tickets that the fronts must know, with retries.
pub(crate) async fn poll_all(client: &Client, tickets: &[Ticket]) -> Vec<TicketStatus> {
    let mut statuses = Vec::new();
    for batch in tickets.chunks(POLL_BATCH) {
        statuses.extend(retry("poll tickets", PollError::is_transient, || poll(client, batch)).await);
    }
    statuses
}

async fn poll(client: &Client, tickets: &[Ticket]) -> Result<Vec<TicketStatus>, PollError> {
    Ok(client.poll_many(tickets).await?.into_iter().collect::<Result<_, _>>()?)
}

/// Why tickets have no status: their call failed, or one of them.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Ticket(#[from] TicketError),
}

impl PollError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Call(error) => error.is_transient(),
            Self::Ticket(error) => error.is_transient(),
        }
    }
}
