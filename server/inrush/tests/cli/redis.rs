//! Services on a real Redis: separate processes, an unsuitable server, a server that starts late.

use std::{
    env,
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Service, Up, eventually, free_port, http_get, inrush, text};

/// Variable with the path of the `redis-server` (or `valkey-server`) to use instead of the one in `PATH`.
const BINARY: &str = "INRUSH_TEST_REDIS_SERVER";

/// A start is retried on another port, because another process may take the free port first.
const MAX_START_ATTEMPTS: usize = 5;

/// A Redis server of a test.
struct Redis {
    server: Child,
    port: u16,
    folder: TempDir,
}

impl Redis {
    fn start(config: &[&str]) -> Self {
        (0..MAX_START_ATTEMPTS)
            .find_map(|_| Self::start_on(free_port(), config))
            .expect("redis-server starts")
    }

    /// `None` if it exited instead of answering.
    fn start_on(port: u16, config: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Self::spawn(&folder, port, config);
        let mut redis = Self { server, port, folder };
        redis.is_up().then_some(redis)
    }

    fn spawn(folder: &TempDir, port: u16, config: &[&str]) -> Child {
        let log = File::create(folder.path().join("log")).expect("a file of our own");
        Command::new(env::var_os(BINARY).unwrap_or_else(|| "redis-server".into()))
            .current_dir(folder.path())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(config)
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start redis-server: {error}; `make test-tools` installs it")
            })
    }

    /// Waits until it answers; false if it exits instead.
    fn is_up(&mut self) -> bool {
        let port = self.port;
        eventually("redis answers or exits", || match self.server.try_wait() {
            Ok(None) => answers(port).then_some(true),
            Ok(Some(_)) | Err(_) => Some(false),
        })
    }

    /// Writes a snapshot.
    fn save(&self) {
        self.command("SAVE");
    }

    /// Kills it and starts it again: it comes back with its last snapshot.
    fn crash(&mut self) {
        self.server.kill().expect("it runs");
        self.server.wait().expect("it ends");
        self.server = Self::spawn(&self.folder, self.port, &[]);
        assert!(self.is_up(), "redis starts again");
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Changes a setting while it runs.
    fn set(&self, setting: &str) {
        self.command(&format!("CONFIG SET {setting}"));
    }

    fn command(&self, command: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("redis answers");
        write!(stream, "{command}\r\n").expect("redis answers");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"+OK\r\n", "{command}");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn answers(port: u16) -> bool {
    let ping = || -> std::io::Result<[u8; 5]> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    ping().is_ok_and(|answer| &answer == b"+PONG")
}

/// A folder with a key file, as an operator would make it.
fn keys() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticket.keys");
    inrush(&format!("ticket new-key --out {}", text(&path))).expect_code(0);
    let flag = format!("--ticket-keys-file {}", text(&path));
    (folder, flag)
}

/// The address in the one line that a service prints when it listens.
fn address_of(service: &mut Service, name: &str) -> String {
    let line = service.line();
    let addresses: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    addresses[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}")).to_owned()
}

#[test]
fn an_audit_finds_and_repairs_what_redis_has_forgotten() {
    let mut redis = Redis::start(&[]);
    let (folder, keys) = keys();
    let store = format!("--store {}", redis.url());
    let mut front = Service::start(&format!(
        "front --json --listen 127.0.0.1:0 --cores 1 --admin-listen off {store} {keys}"
    ));
    let front_url = address_of(&mut front, "front");
    let mut orders =
        Service::start(&format!("orders --json --listen 127.0.0.1:0 --admin-listen off --front {front_url}"));
    let orders_url = address_of(&mut orders, "orders");
    let fulfilment =
        Service::start(&format!("fulfilment --json --admin-listen off {store} --orders {orders_url}"));
    inrush(&format!("sale create phone-x --stock 1 --server {front_url}")).expect_code(0);
    redis.save();
    let enqueued = inrush(&format!("ticket enqueue phone-x alice --json --server {front_url}")).json();
    let ticket = enqueued["ticket"].as_str().unwrap();
    let show = || inrush(&format!("ticket show {ticket} --json --server {front_url}")).json();
    let ordered = eventually("the order", || Some(show()).filter(|status| status["state"] == "ORDERED"));
    assert_eq!(fulfilment.stop(), Some(0), "nothing repairs by itself");
    let audit = |rest: &str| inrush(&format!("sale audit phone-x --server {front_url} {rest}"));
    let listed = format!("--order-system {orders_url}");
    let agrees = audit(&listed).expect_code(0);
    assert!(agrees.stdout.contains("1 order compared; the queue knows all of them"), "{agrees:?}");

    redis.crash();
    assert_eq!(show()["state"], "LOST");
    let found = audit(&listed).expect_code(1);
    assert!(found.stdout.contains("the store has lost the ticket"), "{found:?}");
    assert!(found.stderr.contains("--repair"), "{found:?}");
    assert_eq!(show()["state"], "LOST", "a comparison changes nothing");

    // By hand, from a file, with a mistake first.
    let file = folder.path().join("orders.csv");
    let (ticket_id, order_id) =
        (ordered["ticket_id"].as_str().unwrap(), ordered["order_id"].as_str().unwrap());
    let line = format!("{ticket_id},{order_id},alice");
    let header = "ticket_id,order_id,buyer_id,units,state";
    std::fs::write(&file, format!("{header}\n{line},1,paid\n")).unwrap();
    let from_file = format!("--orders {}", text(&file));
    audit(&from_file).expect_error(2, &["line 2", "ordered or released"]);
    std::fs::write(&file, format!("{header}\n{line},1,ordered\n")).unwrap();
    let repaired = audit(&format!("{from_file} --repair --json")).json();
    assert_eq!((&repaired["differences"][0]["repaired"], &repaired["left"]), (&true.into(), &0.into()));
    audit(&listed).expect_code(0);
    let status = show();
    assert_eq!((&status["state"], &status["order_id"]), (&"ORDERED".into(), &ordered["order_id"]));
    // Until the time to restore has passed, new buyers are asked to come back.
    let refused = eventually("an answer after the time to restore", || {
        let ran = inrush(&format!("ticket enqueue phone-x bob --json --server {front_url}"));
        (!ran.stderr.contains("RESTORING")).then_some(ran)
    });
    assert!(refused.stdout.contains("SOLD_OUT"), "the unit is not sold twice: {refused:?}");
    for service in [orders, front] {
        assert_eq!(service.stop(), Some(0));
    }
}

#[test]
fn separate_processes_make_one_queue() {
    let redis = Redis::start(&[]);
    let (_folder, keys) = keys();
    let store = format!("--store {}", redis.url());
    let start_front = || {
        Service::start(&format!(
            "front --json --listen 127.0.0.1:0 --cores 1 --admin-listen off {store} {keys}"
        ))
    };
    let (mut first, mut second) = (start_front(), start_front());
    let (first_url, second_url) = (address_of(&mut first, "front"), address_of(&mut second, "front"));
    let mut orders = Service::start(&format!(
        "orders --json --listen 127.0.0.1:0 --admin-listen off --front {second_url}"
    ));
    let orders_url = address_of(&mut orders, "orders");
    let fulfilment =
        Service::start(&format!("fulfilment --json --admin-listen off {store} --orders {orders_url}"));

    inrush(&format!("sale create phone-x --stock 5 --server {first_url}")).expect_code(0);
    let enqueued = inrush(&format!("ticket enqueue phone-x alice --json --server {second_url}")).json();
    let ticket = enqueued["ticket"].as_str().unwrap();
    let status = eventually("the order", || {
        let status = inrush(&format!("ticket show {ticket} --json --server {first_url}")).json();
        (status["state"] == "ORDERED").then_some(status)
    });
    assert!(status["order_id"].is_string());
    for service in [fulfilment, orders, first, second] {
        assert_eq!(service.stop(), Some(0));
    }
}

#[test]
fn a_redis_that_evicts_is_refused() {
    let redis = Redis::start(&["--maxmemory-policy", "allkeys-lru"]);
    let (_folder, keys) = keys();
    let store = format!("--store {} --admin-listen off", redis.url());
    for service in [
        format!("front --listen 127.0.0.1:0 {store} {keys}"),
        format!("fulfilment {store}"),
        format!("up --listen 127.0.0.1:0 --orders-listen 127.0.0.1:0 {store}"),
    ] {
        inrush(&service).expect_error(2, &["allkeys-lru", "noeviction"]);
    }
}

#[test]
fn a_redis_that_is_down_is_waited_for() {
    let port = free_port();
    let (_folder, keys) = keys();
    let mut front = Service::start(&format!(
        "front --json --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --cores 1 --store redis://127.0.0.1:{port} {keys}"
    ));
    let line = front.line();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let (url, admin) = (addresses["front"].as_str().unwrap(), addresses["admin"].as_str().unwrap());
    front.wait_for_log("store unavailable");
    let (code, report) = http_get(&format!("{admin}/readyz"));
    assert_eq!(code, 503, "{report}");
    assert!(serde_json::from_str::<Value>(&report).unwrap()["missing"]["store"].is_string(), "{report}");
    assert_eq!(http_get(&format!("{admin}/livez")).0, 200);

    let redis = Redis::start_on(port, &[]);
    assert!(redis.is_some(), "the port was free a moment ago");
    eventually("ready", || (http_get(&format!("{admin}/readyz")).0 == 200).then_some(()));
    inrush(&format!("sale create phone-x --stock 5 --server {url}")).expect_code(0);
    assert_eq!(front.stop(), Some(0));
}

#[test]
fn a_full_redis_is_named_to_callers_and_operators() {
    let redis = Redis::start(&[]);
    let (_folder, keys) = keys();
    let mut front = Service::start(&format!(
        "front --json --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --cores 1 --store {} {keys}",
        redis.url()
    ));
    let line = front.line();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let (url, admin) = (addresses["front"].as_str().unwrap(), addresses["admin"].as_str().unwrap());
    inrush(&format!("sale create phone-x --stock 5 --server {url}")).expect_code(0);
    redis.set("maxmemory 1");
    inrush(&format!("ticket enqueue phone-x alice --server {url}"))
        .expect_error(1, &["the store is full", "maxmemory"]);
    let warning = front.wait_for_log("store operation failed");
    assert!(warning.contains("the store is full") && warning.contains("raise maxmemory"), "{warning}");
    let degraded = eventually("degraded", || {
        let (code, report) = http_get(&format!("{admin}/readyz"));
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (code, &report["ready"]),
            (200, &Value::Bool(true)),
            "buyers in the queue are answered: {report}"
        );
        report["degraded"]["store"].as_str().map(str::to_owned)
    });
    assert!(degraded.contains("raise maxmemory"), "{degraded}");
    front.wait_for_log("Redis is close to its memory limit");
    let (_, metrics) = http_get(&format!("{admin}/metrics"));
    assert!(metrics.contains("\ninrush_store_memory_limit_bytes 1\n"), "{metrics}");
    assert!(metrics.contains("\ninrush_store_memory_used_bytes "), "{metrics}");

    redis.set("maxmemory 0");
    inrush(&format!("ticket enqueue phone-x alice --server {url}")).expect_code(0);
    assert_eq!(front.stop(), Some(0));
}

#[test]
fn a_restart_in_the_middle_of_a_rush_goes_on_where_it_was() {
    const BUYERS: u64 = 20;
    let redis = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("orders.db");
    let kept = format!("--store {} --database sqlite:{}", redis.url(), text(&database));
    let slow = Up::start(&format!("{kept} --capacity 5"));
    slow.json("sale create phone-x --stock 50");
    for buyer in 0..BUYERS {
        slow.json(&format!("ticket enqueue phone-x buyer-{buyer}"));
    }
    assert_eq!(slow.service.stop(), Some(0), "a signal is an ordinary end");

    let fast = Up::start(&kept);
    let ledger = eventually("every buyer has an order", || {
        let ledger = fast.json("sale show phone-x")["ledger"].clone();
        (ledger["ordered"]["tickets"] == BUYERS).then_some(ledger)
    });
    assert_eq!(ledger["free_units"], 50 - BUYERS);
    assert_eq!(fast.service.stop(), Some(0));
}
