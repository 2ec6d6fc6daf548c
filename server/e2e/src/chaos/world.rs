//! The processes of Inrush in one run, under a supervisor.

use std::{path::Path, time::Duration};

use inrush_client::{Client, ClientSettings, RetryPolicy};
use inrush_testkit::{inrush, port::free_port, process::TestProcess};
use tempfile::TempDir;

use super::{clock::Clock, fault::Fault, plan::Plan, store::Store};

/// The key of all fronts. It is not a secret.
const TICKET_KEYS: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// How long an order may stay unpaid.
pub const PAYMENT_TIMEOUT: Duration = Duration::from_secs(1);

const FRONTS: usize = 2;
const FULFILMENTS: usize = 2;

/// Settings that make the processes react quickly.
const VARIABLES: [(&str, &str); 10] = [
    ("INRUSH_TICKETS_KEYS", TICKET_KEYS),
    ("INRUSH_STORE_RESPONSE_TIMEOUT", "1s"),
    // Shorter than the default, so that runs are short.
    ("INRUSH_STORE_RESTORE_WINDOW", "1500ms"),
    ("INRUSH_FRONT_DRAIN_GRACE", "100ms"),
    ("INRUSH_FRONT_DRAIN_TIMEOUT", "2s"),
    ("INRUSH_FULFILMENT_RECOVER_INTERVAL", "200ms"),
    ("INRUSH_FULFILMENT_RECONNECT_MAX", "500ms"),
    ("INRUSH_FULFILMENT_RETRY_MAX", "500ms"),
    ("INRUSH_FULFILMENT_RESPONSE_TIMEOUT", "3s"),
    ("INRUSH_FULFILMENT_DRAIN_TIMEOUT", "1s"),
];

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A front.
    Front,
    /// A fulfilment.
    Fulfilment,
    /// The order system.
    Orders,
}

/// The processes of a run.
pub struct World {
    fronts: Vec<Service>,
    fulfilments: Vec<Service>,
    orders: Vec<Service>,
    database: String,
    /// A fault takes rights from Inrush. A service that starts meanwhile says so and exits, for its supervisor to start it
    /// again.
    may_be_denied: bool,
    /// The files of the run, removed with it.
    _folder: TempDir,
}

impl World {
    /// Starts the processes.
    pub async fn start(plan: &Plan, store: &Store) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = format!("sqlite:{}", folder.path().join("orders.db").display());
        let url = store.url();
        let orders_port = free_port();
        let mut world = Self {
            fronts: Vec::new(),
            fulfilments: Vec::new(),
            orders: Vec::new(),
            database: database.clone(),
            may_be_denied: plan.faults.iter().any(|planned| planned.fault == Fault::AclChange),
            _folder: folder,
        };
        let folder = world._folder.path().to_owned();
        for number in 1..=FRONTS {
            let port = free_port();
            let arguments =
                ["front", "--listen", &format!("127.0.0.1:{port}"), "--store", &url, "--cores", "1"];
            world.fronts.push(Service::new(&folder, &format!("front-{number}"), Some(port), &arguments)?);
        }
        let front = format!("http://127.0.0.1:{}", world.fronts[0].port.unwrap_or_default());
        let listen = format!("127.0.0.1:{orders_port}");
        let capacity = plan.capacity.to_string();
        let arguments = [
            "orders",
            "--listen",
            &listen,
            "--front",
            &front,
            "--database",
            &database,
            "--capacity",
            &capacity,
        ];
        let mut orders = Service::new(&folder, "orders", Some(orders_port), &arguments)?;
        orders.variables.push(("INRUSH_ORDERS_UNPAID_SHARE".to_owned(), plan.unpaid_share.to_string()));
        let timeout = format!("{}ms", PAYMENT_TIMEOUT.as_millis());
        orders.variables.push(("INRUSH_ORDERS_PAYMENT_TIMEOUT".to_owned(), timeout));
        world.orders.push(orders);
        for number in 1..=FULFILMENTS {
            let orders = format!("http://{listen}");
            let arguments = ["fulfilment", "--store", &url, "--orders", &orders];
            world.fulfilments.push(Service::new(&folder, &format!("fulfilment-{number}"), None, &arguments)?);
        }
        for service in world.services_mut() {
            service.start();
        }
        for service in world.services_mut() {
            service.wait_until_listening().await;
        }
        Ok(world)
    }

    /// The processes of a kind.
    pub fn of_kind(&mut self, kind: Kind) -> &mut Vec<Service> {
        match kind {
            Kind::Front => &mut self.fronts,
            Kind::Fulfilment => &mut self.fulfilments,
            Kind::Orders => &mut self.orders,
        }
    }

    /// The URL of the order database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A client as users have it, with as many retries.
    pub fn client(&self) -> anyhow::Result<Client> {
        let policy = RetryPolicy { reserve_per_second: 1_000, ..RetryPolicy::default() };
        self.client_with(&policy)
    }

    /// A client that sends each call once.
    pub fn raw_client(&self) -> anyhow::Result<Client> {
        self.client_with(&RetryPolicy::never())
    }

    fn client_with(&self, policy: &RetryPolicy) -> anyhow::Result<Client> {
        let ports = self.fronts.iter().filter_map(|front| front.port);
        let settings = ClientSettings::balanced(ports.map(|port| format!("http://127.0.0.1:{port}")))
            .connections_per_endpoint(1)
            .call_deadline(Duration::from_secs(4))
            .retry(RetryPolicy { attempt_timeout: Duration::from_millis(1_500), ..policy.clone() });
        Ok(Client::lazy(settings)?)
    }

    /// Starts what has ended, and goes on with what is stopped. Returns what ended by itself.
    pub async fn heal(&mut self) -> anyhow::Result<Vec<String>> {
        let mut ended = Vec::new();
        let may_be_denied = self.may_be_denied;
        for service in self.services_mut() {
            service.clock.set(0)?;
            service.set_suspended(false);
            ended.extend(service.ended_by_itself().and_then(|what| unexplained(what, may_be_denied)));
            service.start();
        }
        for service in self.services_mut() {
            service.wait_until_listening().await;
        }
        Ok(ended)
    }

    /// Restarts what has ended by itself, and returns what that was.
    pub fn supervise(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        let may_be_denied = self.may_be_denied;
        for service in self.services_mut() {
            if let Some(what) = service.ended_by_itself() {
                ended.extend(unexplained(what, may_be_denied));
                service.start();
            }
        }
        ended
    }

    /// Panics in the logs of all processes.
    #[must_use]
    pub fn panics(&mut self) -> Vec<String> {
        self.services_mut().flat_map(|service| service.panics()).collect()
    }

    /// The logs of all processes.
    pub fn logs(&mut self) -> String {
        let log = |service: &mut Service| format!("== {}\n{}", service.name, service.log());
        self.services_mut().map(log).collect()
    }

    fn services_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.fronts.iter_mut().chain(&mut self.orders).chain(&mut self.fulfilments)
    }
}

/// How a service ended, unless the store denied access and may do so.
fn unexplained(what: String, may_be_denied: bool) -> Option<String> {
    (!may_be_denied || !what.contains("the store denies access")).then_some(what)
}

/// One process that can be started again.
pub struct Service {
    name: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    port: Option<u16>,
    clock: Clock,
    process: Option<TestProcess>,
    suspended: bool,
    /// What its earlier processes wrote.
    past_log: String,
}

impl Service {
    fn new(folder: &Path, name: &str, port: Option<u16>, arguments: &[&str]) -> anyhow::Result<Self> {
        let clock = Clock::new(folder, name)?;
        let mut variables = clock.variables()?;
        variables.extend(VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let arguments = arguments.iter().chain(&["--admin-listen", "off"]).map(|&word| word.to_owned());
        Ok(Self {
            name: name.to_owned(),
            arguments: arguments.collect(),
            variables,
            port,
            clock,
            process: None,
            suspended: false,
            past_log: String::new(),
        })
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Starts it unless it runs.
    pub fn start(&mut self) {
        if self.process.is_none() {
            let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
            let variables: Vec<(&str, &str)> =
                self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            self.process = Some(inrush::start(&arguments, &variables));
            self.suspended = false;
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.past_log += &process.output();
        }
        self.suspended = false;
    }

    /// SIGSTOP, and SIGCONT.
    pub fn set_suspended(&mut self, suspended: bool) {
        if let Some(process) = &mut self.process
            && suspended != self.suspended
            && process.exit_status().is_none()
        {
            if suspended {
                process.suspend();
            } else {
                process.resume();
            }
            self.suspended = suspended;
        }
    }

    /// SIGTERM; waits for its end, and starts it again.
    pub async fn restart(&mut self) {
        self.set_suspended(false);
        if let Some(mut process) = self.process.take() {
            if process.exit_status().is_none() {
                process.terminate();
            }
            process.wait().await;
            self.past_log += &process.output();
        }
        self.start();
        self.wait_until_listening().await;
    }

    async fn wait_until_listening(&mut self) {
        if let (Some(process), Some(port)) = (&mut self.process, self.port) {
            process.wait_for_port(port).await;
        }
    }

    /// Notes that the process has ended although nothing ended it.
    fn ended_by_itself(&mut self) -> Option<String> {
        let status = self.process.as_mut()?.exit_status()?;
        let process = self.process.take()?;
        let output = process.output();
        let last: Vec<&str> = output.lines().rev().take(3).collect();
        let what = format!("{} ended by itself with {status}: {last:?}", self.name);
        self.past_log += &output;
        Some(what)
    }

    fn log(&self) -> String {
        let present = self.process.as_ref().map(TestProcess::output).unwrap_or_default();
        format!("{}{present}", self.past_log)
    }

    fn panics(&self) -> Vec<String> {
        let log = self.log();
        log.lines()
            .filter(|line| line.contains("panicked at"))
            .map(|line| format!("{}: {line}", self.name))
            .collect()
    }
}
