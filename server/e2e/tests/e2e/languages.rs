//! Callers in other languages: grpcurl through reflection, and a Python client made from the .proto files.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use inrush_testkit::{inrush, port::free_port, process::TestProcess, tools::in_venv};
use serde_json::Value;

/// A tool that `make test-tools` installs.
fn tool(name: &str) -> PathBuf {
    in_venv(&format!("bin/{name}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// A whole system; the addresses of its front and of its order system.
async fn up() -> (TestProcess, String, String) {
    let (front, orders) = (free_port(), free_port());
    let (listen, orders_listen) = (format!("127.0.0.1:{front}"), format!("127.0.0.1:{orders}"));
    let arguments = ["up", "--listen", &listen, "--orders-listen", &orders_listen, "--admin-listen", "off"];
    let mut process = inrush::start(&arguments, &[]);
    process.wait_for_port(front).await;
    process.wait_for_port(orders).await;
    (process, listen, orders_listen)
}

fn grpcurl(arguments: &[&str]) -> String {
    let output =
        Command::new(tool("grpcurl")).arg("-plaintext").args(arguments).output().expect("grpcurl runs");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {stdout}{}", String::from_utf8_lossy(&output.stderr));
    stdout
}

fn call(address: &str, method: &str, request: &Value) -> Value {
    let output = grpcurl(&["-d", &request.to_string(), address, &format!("inrush.v1.{method}")]);
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{method}: {error}: {output}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_and_calls_everything() {
    let (_up, address, orders) = up().await;
    let listed = grpcurl(&[&address, "list"]);
    for service in ["QueueService", "SaleAdminService", "SettlementService"] {
        assert!(listed.contains(&format!("inrush.v1.{service}")), "{listed}");
    }
    assert!(listed.contains("grpc.health.v1.Health"), "{listed}");
    assert!(!listed.contains("OrderCreationService"), "a front creates no orders: {listed}");
    let methods: Vec<String> = ["QueueService", "SaleAdminService", "SettlementService"]
        .iter()
        .flat_map(|service| {
            let methods = grpcurl(&[&address, "list", &format!("inrush.v1.{service}")]);
            methods.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(methods.len(), 18, "{methods:?}");
    for method in &methods {
        assert!(grpcurl(&[&address, "describe", method]).contains("rpc"), "{method}");
    }

    // On hold, so that the first ticket stays in the queue until it is polled and cancelled.
    let sale = serde_json::json!({ "sale": { "sale_id": "by-hand", "stock": "5", "fulfilment_held": true } });
    assert_eq!(call(&address, "SaleAdminService/CreateSale", &sale)["sale"]["state"], "SALE_STATE_OPEN");
    let request = serde_json::json!({ "sale_id": "by-hand", "buyer_id": "ann", "units": "1" });
    let queued = call(&address, "QueueService/Enqueue", &request);
    let ticket = queued["queued"]["ticket"].as_str().expect("a ticket").to_owned();
    let presented = serde_json::json!({ "ticket": ticket });
    let polled = call(&address, "QueueService/PollStatus", &presented);
    assert_eq!(polled["status"]["state"], "TICKET_STATE_WAITING");
    assert_eq!(polled["status"]["position"], "1");
    let many =
        call(&address, "QueueService/BatchPollStatus", &serde_json::json!({ "tickets": [ticket, "forged"] }));
    assert_eq!(many["results"][0]["status"]["position"], "1");
    assert_eq!(many["results"][1]["error"]["reason"], "INVALID_TICKET");
    assert_eq!(call(&address, "QueueService/Cancel", &presented)["cancelled"], true);
    let watched = call(&address, "QueueService/WatchStatus", &presented);
    assert_eq!(watched["status"]["state"], "TICKET_STATE_CANCELLED");
    let name = serde_json::json!({ "sale_id": "by-hand" });
    let part = serde_json::json!({ "sale_id": "by-hand", "part": "SALE_PART_FULFILMENT" });
    call(&address, "SaleAdminService/ResumeSale", &part);
    call(&address, "SaleAdminService/HoldSale", &part);
    let update = serde_json::json!({ "sale": { "sale_id": "by-hand", "stock": "9" }, "update_mask": { "paths": ["stock"] } });
    assert_eq!(call(&address, "SaleAdminService/UpdateSale", &update)["sale"]["stock"], "9");
    assert_eq!(
        call(&address, "SaleAdminService/GetSale", &name)["sale"]["ledger"]["cancelled"]["tickets"],
        "1"
    );
    assert_eq!(
        call(&address, "SaleAdminService/ListSales", &serde_json::json!({}))["sales"][0]["saleId"],
        "by-hand"
    );
    let seqs = serde_json::json!({ "sale_id": "by-hand", "seqs": ["1"] });
    assert_eq!(call(&address, "SaleAdminService/RedriveDeadLetters", &seqs), serde_json::json!({}));
    assert_eq!(call(&address, "SaleAdminService/DiscardDeadLetters", &seqs), serde_json::json!({}));
    let order = serde_json::json!({
        "ticket_id": "by-hand/1/1", "order_id": "o", "buyer_id": "ann", "units": "1", "state": "STATE_ORDERED"
    });
    let compare = serde_json::json!({ "sale_id": "by-hand", "orders": [order] });
    let compared = call(&address, "SaleAdminService/ReconcileOrders", &compare);
    assert_eq!(compared["comparisons"][0]["finding"], "FINDING_FOREIGN");
    for method in ["ListDeadLetters", "CloseSale", "DeleteSale"] {
        call(&address, &format!("SaleAdminService/{method}"), &name);
    }

    let listed = grpcurl(&[&orders, "list"]);
    assert!(listed.contains("OrderCreationService") && !listed.contains("QueueService"), "{listed}");
    let entry = serde_json::json!({ "ticket_id": "gone/1/1", "sale_id": "gone", "seq": "1", "buyer_id": "ann", "units": "1" });
    let entries = serde_json::json!({ "orders": [entry] }).to_string();
    let answers = grpcurl(&["-d", &entries, &orders, "inrush.v1.OrderCreationService/CreateOrders"]);
    // The front does not have the sale now, which is no final answer.
    assert!(answers.contains("retry") && answers.contains("stock of the sale is unknown"), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_releases_an_order() {
    let (_up, address, _) = up().await;
    call(
        &address,
        "SaleAdminService/CreateSale",
        &serde_json::json!({ "sale": { "sale_id": "unpaid", "stock": "1" } }),
    );
    let request = serde_json::json!({ "sale_id": "unpaid", "buyer_id": "ann", "units": "1" });
    let ticket = call(&address, "QueueService/Enqueue", &request)["queued"]["ticket"].clone();
    // The stream of changes ends with the order.
    let watched = grpcurl(&[
        "-d",
        &serde_json::json!({ "ticket": ticket }).to_string(),
        &address,
        "inrush.v1.QueueService/WatchStatus",
    ]);
    assert!(watched.contains("TICKET_STATE_ORDERED"), "{watched}");
    let status = call(&address, "QueueService/PollStatus", &serde_json::json!({ "ticket": ticket }));
    let name = serde_json::json!({ "ticket_id": status["status"]["ticketId"] });
    let released = call(&address, "SettlementService/ReleaseOrder", &name);
    assert_eq!(released["status"]["state"], "TICKET_STATE_RELEASED");
    assert_eq!(call(&address, "SettlementService/ReleaseOrder", &name)["repeated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_enqueues_polls_to_the_order_and_cancels() {
    let (_up, address, _) = up().await;
    let script = root().join("server/e2e/tests/python/buyer.py");
    let output = Command::new(tool("python"))
        .arg(script)
        .arg(root().join("proto"))
        .arg(&address)
        .output()
        .expect("python runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("ordered") && stdout.contains("cancelled"), "{stdout}");
}
