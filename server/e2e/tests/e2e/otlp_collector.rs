//! A third-party OpenTelemetry collector receives the telemetry of a real run.

use std::process::Command;

use inrush_testkit::{port::free_port, process::TestProcess, tools::in_venv};

use crate::monitored_system::MonitoredSystem;

const ROTEL: &str = "bin/rotel-agent";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_receives_traces_metrics_and_logs_of_every_service() {
    let (grpc, http) = (free_port(), free_port());
    let (grpc_address, http_address) = (format!("127.0.0.1:{grpc}"), format!("127.0.0.1:{http}"));
    let mut command = Command::new(in_venv(ROTEL));
    command.args([
        "start",
        "--exporter",
        "blackhole",
        "--otlp-grpc-endpoint",
        &grpc_address,
        "--otlp-http-endpoint",
        &http_address,
        "--debug-log",
        "traces",
        "--debug-log",
        "metrics",
        "--debug-log",
        "logs",
        "--debug-log-verbosity",
        "detailed",
        "--pid-file",
        "pid",
        "--log-file",
        "file",
    ]);
    let mut rotel = TestProcess::start("rotel", command, &[]);
    rotel.wait_for_output("Starting Rotel").await;
    let endpoint = format!("http://{grpc_address}");
    let mut system = MonitoredSystem::start(&[
        ("INRUSH_TELEMETRY_OTLP_ENDPOINT", &endpoint),
        ("INRUSH_TELEMETRY_SAMPLING_RATIO", "1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=shop"),
    ])
    .await;
    system.sell("phone").await;
    // The rest is flushed on exit.
    for service in &mut system.services {
        service.process.terminate();
        let status = service.process.wait().await;
        assert!(status.success(), "{}: {}", service.name, service.process.output());
    }
    for word in [
        "inrush-front",
        "inrush-fulfilment",
        "inrush-orders",
        "k8s.namespace.name",
        "rpc.server.call.duration",
        "inrush.admitted_tickets",
        "inrush.store.batch_size",
        "inrush.orders_created",
        "fulfilment stopped",
        "messaging.message.id",
        "inrush.attempt",
        "create_orders",
    ] {
        rotel.wait_for_output(word).await;
    }
}
