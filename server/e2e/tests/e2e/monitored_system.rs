//! A whole system with open admin ports, and a small sale that gives every metric a value.

use std::time::Duration;

use inrush_client::{Client, proto};
use inrush_testkit::{http, inrush, port::free_port, process::TestProcess, redis_server::RedisServer};
use tokio::time::{Instant, sleep};

use crate::system::{TICKET_KEYS, connect, create_sale, enqueue};

/// Longer than any step of these tests takes, on any machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// Processes and their admin ports.
pub(crate) struct MonitoredSystem {
    pub(crate) services: [Service; 3],
    pub(crate) redis: RedisServer,
    front_port: u16,
}

/// One process.
pub(crate) struct Service {
    /// `front`, `fulfilment` or `orders`.
    pub(crate) name: &'static str,
    pub(crate) admin: u16,
    pub(crate) process: TestProcess,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl MonitoredSystem {
    /// Starts one of each, with these variables.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start().await;
        let (front_port, orders_port) = (free_port(), free_port());
        let (front_url, orders_url) = (url(front_port), url(orders_port));
        let (listen, orders_listen) = (address(front_port), address(orders_port));
        let store = redis.url();
        let front = ["--listen", &listen, "--store", &store];
        let fulfilment = ["--orders", &orders_url, "--store", &store];
        let orders = ["--listen", &orders_listen, "--front", &front_url];
        let services = [
            Service::start("front", &front, variables).await,
            Service::start("orders", &orders, variables).await,
            Service::start("fulfilment", &fulfilment, variables).await,
        ];
        let system = Self { services, redis, front_port };
        eventually("every service is ready", async || {
            let mut ready = true;
            for service in &system.services {
                ready &= http::get(service.admin, "/readyz").await.is_some_and(|(status, _)| status == 200);
            }
            ready
        })
        .await;
        system
    }

    /// Kills a service, and starts it again on the same ports.
    pub(crate) async fn restart_after_kill(&mut self, name: &str) {
        let service =
            self.services.iter_mut().find(|service| service.name == name).expect("one of the three");
        service.process.kill();
        service.process = service.spawn().await;
    }

    /// The URL of the front.
    pub(crate) fn front_url(&self) -> String {
        url(self.front_port)
    }

    /// The service of this name.
    pub(crate) fn service(&self, name: &str) -> &Service {
        self.services.iter().find(|service| service.name == name).expect("one of the three")
    }

    pub(crate) async fn client(&self) -> Client {
        connect(&[self.front_port]).await
    }

    /// Sells a sale out, and has more buyers refused.
    pub(crate) async fn sell(&self, sale: &str) {
        let client = self.client().await;
        create_sale(&client, proto::Sale { sale_id: sale.to_owned(), stock: Some(5), ..Default::default() })
            .await;
        for buyer in 0..20 {
            enqueue(&client, sale, &format!("buyer-{buyer}")).await;
        }
    }
}

impl Service {
    async fn start(name: &'static str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let admin = free_port();
        let listen = address(admin);
        let arguments = [&[name, "--admin-listen", &listen][..], arguments].concat();
        let variables = [&[("INRUSH_TICKETS_KEYS", TICKET_KEYS)][..], variables].concat();
        let process = spawn(&arguments, &variables, admin).await;
        let owned = |text: &str| text.to_owned();
        let arguments = arguments.iter().copied().map(owned).collect();
        let variables = variables.iter().map(|(name, value)| (owned(name), owned(value))).collect();
        Self { name, admin, process, arguments, variables }
    }

    /// Starts another process of this service.
    async fn spawn(&self) -> TestProcess {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        spawn(&arguments, &variables, self.admin).await
    }

    /// The response of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let (status, body) = http::get(self.admin, "/metrics").await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        body
    }
}

async fn spawn(arguments: &[&str], variables: &[(&str, &str)], admin: u16) -> TestProcess {
    let mut process = inrush::start(arguments, variables);
    process.wait_for_port(admin).await;
    process
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < TIMEOUT, "timed out waiting: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
