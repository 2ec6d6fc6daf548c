//! The services as processes: startup banner, usage errors, shutdown.

use std::{fs, net::TcpListener};

use serde_json::Value;

use crate::support::{Service, Up, command, eventually, free_port, http_get, inrush, run, text};

#[test]
fn up_prints_addresses_what_is_in_memory_and_next_commands() {
    let mut up =
        Service::start("up --listen 127.0.0.1:0 --orders-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0");
    let mut text = String::new();
    while !text.contains("inrush sale create") {
        text.push_str(&up.line());
        text.push('\n');
    }
    for part in ["http://127.0.0.1:", "memory", "lost when", "--server http://127.0.0.1:"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn up_has_admin_http_and_drains() {
    let mut up = Up::start("");
    let (code, report) = eventually("ready", || {
        let answer = http_get(&format!("{}/readyz", up.admin));
        (answer.0 == 200).then_some(answer)
    });
    assert_eq!((code, &serde_json::from_str::<Value>(&report).unwrap()["ready"]), (200, &Value::from(true)));
    assert_eq!(http_get(&format!("{}/livez", up.admin)).0, 200);
    let panicked = up.service.log().iter().any(|line| line.contains("panicked"));
    assert!(!panicked);
    assert_eq!(up.service.stop(), Some(0));
}

#[test]
fn up_works_with_an_external_order_system() {
    let own = format!("127.0.0.1:{}", free_port());
    // The port of the bundled order system is taken, but it is not needed here.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut up = command(&format!("up --json --listen 127.0.0.1:0 --admin-listen off --orders http://{own}"));
    up.env("INRUSH_ORDERS_LISTEN", taken.local_addr().unwrap().to_string());
    let mut up = Service::start_command(up);
    let addresses: Value = serde_json::from_str(&up.line()).unwrap();
    assert_eq!(addresses["orders"], Value::from(format!("http://{own}")));
    let front = addresses["front"].as_str().unwrap();
    let orders = Service::start(&format!("orders --listen {own} --admin-listen off --front {front}"));
    inrush(&format!("sale create own --stock 1 --server {front}")).expect_code(0);
    let entered = inrush(&format!("ticket enqueue own alice --json --server {front}")).json();
    let ticket = entered["ticket"].as_str().unwrap();
    eventually("an order of the external order system", || {
        let shown = inrush(&format!("ticket show {ticket} --json --server {front}")).json();
        (shown["state"] == "ORDERED").then_some(())
    });
    inrush("up --orders http://127.0.0.1:1 --capacity 5").expect_error(2, &["--capacity", "--orders"]);
    assert_eq!(up.stop(), Some(0));
    assert_eq!(orders.stop(), Some(0));
}

#[test]
fn a_port_in_use_is_reported_with_the_flag_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (flag, others) in [
        ("--listen", format!("--orders-listen {free} --admin-listen off")),
        ("--orders-listen", format!("--listen {free} --admin-listen off")),
        ("--admin-listen", format!("--listen {free} --orders-listen {free}")),
    ] {
        inrush(&format!("up {flag} {address} {others}"))
            .expect_error(2, &[&address, "already in use", &format!("flag {flag}")]);
    }
    inrush(&format!("orders --listen {address} --admin-listen off"))
        .expect_error(2, &["already in use", "--listen"]);
}

#[test]
fn an_invalid_address_is_reported() {
    inrush("up --listen nonsense").expect_error(2, &["`nonsense`", "0.0.0.0:50051"]);
    inrush("orders --listen 127.0.0.1:0 --admin-listen nonsense")
        .expect_error(2, &["`nonsense`", "admin.listen"]);
}

#[test]
fn a_front_requires_keys_and_a_shared_store() {
    inrush("front --store redis://127.0.0.1:1 --admin-listen off")
        .expect_error(2, &["ticket key", "inrush ticket new-key", "--ticket-keys-file"]);
    for service in ["front", "fulfilment"] {
        inrush(&format!("{service} --admin-listen off")).expect_error(2, &["--store redis://", "inrush up"]);
    }
}

#[test]
fn invalid_keys_are_reported_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticket.keys");
    fs::write(&path, "hunter2\n").unwrap();
    let ran = inrush(&format!("front --store memory: --admin-listen off --ticket-keys-file {}", text(&path)));
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    ran.expect_error(2, &["ID:SECRET", "ticket.keys"]);
    let mut both = command(&format!("front --store memory: --ticket-keys-file {}", text(&path)));
    both.env("INRUSH_TICKETS_KEYS", "0:hunter2");
    run(both).expect_error(2, &["tickets.keys", "keep one"]);
}

#[test]
fn settings_out_of_range_are_rejected_before_the_start() {
    for (variable, value, command_line) in [
        ("INRUSH_FRONT_MAX_BATCH", "1000", "up"),
        ("INRUSH_FULFILMENT_STREAMS", "0", "up"),
        ("INRUSH_ORDERS_FAILURE_RATE", "2", "up"),
        ("INRUSH_ORDERS_CREDIT", "0", "orders"),
        ("INRUSH_LOG_LEVEL", "a=b=c", "up"),
    ] {
        let mut service = command(command_line);
        service.env(variable, value);
        run(service).expect_error(2, &[value]);
    }
}

#[test]
fn orders_runs_alone_and_its_database_persists() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let mut orders = Service::start(&format!(
        "orders --json --listen 127.0.0.1:0 --admin-listen off --database sqlite:{}",
        text(&path)
    ));
    let line = orders.line();
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    assert!(path.exists());
    assert_eq!(orders.stop(), Some(0));
}

#[test]
fn a_database_that_cannot_be_opened_is_reported_once() {
    let ran = inrush("orders --listen 127.0.0.1:0 --admin-listen off --database sqlite:/nowhere/orders.db");
    assert_eq!(ran.stderr.matches("unable to open").count(), 1, "{ran:?}");
    ran.expect_error(1, &["sqlite:/nowhere/orders.db", "--database"]);
}

#[test]
fn a_front_with_a_certificate_is_called_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path).to_owned()
    };
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = file("cert.pem", &issued.cert.pem());
    let key = file("key.pem", &issued.signing_key.serialize_pem());
    let keys = file("ticket.keys", &inrush("ticket new-key").stdout);
    let mut front = Service::start(&format!(
        "front --json --store memory: --listen localhost:0 --admin-listen off --cores 1 --ticket-keys-file {keys} \
         --tls-cert-file {cert} --tls-key-file {key}"
    ));
    let addresses: Value = serde_json::from_str(&front.line()).unwrap();
    let url = addresses["front"].as_str().unwrap();
    let port = url.strip_prefix("https://").and_then(|address| address.rsplit(':').next()).unwrap();
    let trusting =
        inrush(&format!("sale list --json --server https://localhost:{port} --ca-file {cert}")).json();
    assert_eq!(trusting["sales"], Value::Array(Vec::new()));
    inrush(&format!("sale list --server https://localhost:{port}")).expect_error(1, &["cannot reach Inrush"]);
    inrush(&format!("sale list --server http://localhost:{port} --timeout 2s")).expect_code(1);
    assert_eq!(front.stop(), Some(0));
}
