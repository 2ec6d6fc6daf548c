//! An OpenTelemetry collector that nobody here wrote receives what a real run sends.

use inrush_testkit::{
    port::free_port,
    program::{Program, in_venv},
};

use crate::watched::Watched;

const ROTEL: &str = "bin/rotel-agent";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_receives_traces_metrics_and_logs_of_every_service() {
    let (grpc, http) = (free_port(), free_port());
    let (grpc_address, http_address) = (format!("127.0.0.1:{grpc}"), format!("127.0.0.1:{http}"));
    let rotel = Program::start(
        &in_venv(ROTEL),
        &[
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
        ],
        &[],
    );
    rotel.says("that it starts", |said| said.contains("Starting Rotel")).await;
    let endpoint = format!("http://{grpc_address}");
    let mut system = Watched::start(&[
        ("INRUSH_TELEMETRY_OTLP_ENDPOINT", &endpoint),
        ("INRUSH_TELEMETRY_SAMPLING", "1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=shop"),
    ])
    .await;
    system.sell("phone").await;
    // What has not been sent is sent at the end.
    for service in &mut system.services {
        service.process.terminate();
        let status = service.process.end().await;
        assert!(status.success(), "{}: {}", service.name, service.process.said());
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
        "fulfilment has ended",
        "messaging.message.id",
        "inrush.attempt",
        "create_orders",
    ] {
        rotel.says(word, |said| said.contains(word)).await;
    }
}
