//! One buyer's ticket can be followed from its caller to its order, through every process and over a crash.

use std::net::TcpListener;

use inrush_client::{Client, ClientSettings, Enqueued, proto};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tonic::metadata::MetadataValue;

use crate::{
    monitored_system::{MonitoredSystem, eventually},
    system::{create_sale, tickets},
    trace_collector::{ReceivedSpan, TraceCollector},
};

const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";
/// No span may contain this.
const BUYER: &str = "ada.lovelace@example.org";

/// A client whose calls are part of a trace.
async fn traced_client(system: &MonitoredSystem) -> Client {
    let traceparent = format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-01");
    let settings = ClientSettings::new(system.front_url()).on_request(move |metadata| {
        let value = MetadataValue::try_from(traceparent.as_str()).expect("ASCII");
        metadata.insert("traceparent", value);
    });
    Client::connect(settings).await.expect("the front answers")
}

async fn enqueue(client: &Client, sale: &str, buyer: &str) -> String {
    match client.enqueue(sale, buyer, 1, b"her payload".to_vec()).await {
        Ok(Enqueued::Queued { status, .. }) => status.ticket_id,
        other => panic!("{buyer} was not queued: {other:?}"),
    }
}

async fn until(client: &Client, sale: &str, what: &str, condition: impl Fn(&proto::Ledger) -> bool) {
    eventually(what, async || {
        let ledger = client.admin().get_sale(sale).await.ok().and_then(|sale| sale.ledger);
        condition(&ledger.unwrap_or_default())
    })
    .await;
}

/// Disables tracing by ratio and of slow calls.
fn no_random_sampling(collector: &TraceCollector) -> [(&str, &str); 3] {
    [
        ("INRUSH_TELEMETRY_OTLP_ENDPOINT", collector.url()),
        ("INRUSH_TELEMETRY_SAMPLING_RATIO", "0"),
        ("INRUSH_TELEMETRY_SLOW_CALL_THRESHOLD", "1h"),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(name: &str) -> impl Fn(&ReceivedSpan) -> bool {
    move |span| span.name() == name && hex(span.trace()) == CALLERS_TRACE
}

/// The spans of the caller's Enqueue: that of the call, and that of the send operation.
async fn enqueue_spans(collector: &TraceCollector) -> (ReceivedSpan, ReceivedSpan) {
    let call = collector.wait_for("call", names("inrush.v1.QueueService/Enqueue")).await;
    let send = collector.wait_for("send", names("send")).await;
    (call, send)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_can_be_followed_from_its_caller_to_its_order() {
    let collector = TraceCollector::start().await;
    let system = MonitoredSystem::start(&no_random_sampling(&collector)).await;
    let (client, untraced) = (traced_client(&system).await, system.client().await);
    create_sale(&untraced, proto::Sale { sale_id: "phone".into(), stock: Some(20), ..Default::default() })
        .await;
    for buyer in 0..10 {
        enqueue(&untraced, "phone", &format!("buyer-{buyer}")).await;
    }
    let ticket = enqueue(&client, "phone", BUYER).await;
    until(&untraced, "phone", "ordered", |ledger| tickets(ledger.ordered) == 11).await;

    let (call, send) = enqueue_spans(&collector).await;
    assert_eq!((call.service.as_str(), call.kind()), ("inrush-front", SpanKind::Server));
    assert_eq!(hex(call.parent()), CALLERS_SPAN);
    assert_eq!(call.attribute("rpc.response.status_code").as_deref(), Some("OK"));
    assert!(send.is_child_of(&call) && send.kind() == SpanKind::Producer, "{send:?}");
    assert_eq!(send.attribute("messaging.message.id"), Some(ticket.clone()));
    assert_eq!(send.attribute("messaging.destination.name").as_deref(), Some("phone"));

    let admit = collector.wait_for("script", names("admit")).await;
    assert!(admit.is_child_of(&send) && admit.kind() == SpanKind::Client, "{admit:?}");
    assert_eq!(admit.attribute("db.system.name").as_deref(), Some("redis"));
    assert_eq!(admit.attribute("db.operation.name").as_deref(), Some("admit"));

    let process = collector.wait_for("process", names("process")).await;
    assert_eq!((process.service.as_str(), process.kind()), ("inrush-fulfilment", SpanKind::Consumer));
    assert!(process.is_linked_to(&send) && process.is_child_of(&send), "{process:?}");
    assert_eq!(process.attribute("messaging.message.id"), Some(ticket));
    assert_eq!(process.attribute("inrush.attempt").as_deref(), Some("1"));
    assert_eq!(process.attribute("inrush.outcome").as_deref(), Some("ordered"));

    let receive = collector.wait_for("receive", names("receive")).await;
    assert!(receive.is_child_of(&send) && receive.kind() == SpanKind::Client, "{receive:?}");
    let claim = collector.wait_for("claim", names("claim")).await;
    assert!(claim.is_child_of(&receive) && claim.duration_nanos() == receive.duration_nanos(), "{claim:?}");
    let create = collector.wait_for("order", names("create_orders")).await;
    assert!(create.service == "inrush-orders" && create.is_child_of(&process), "{create:?}");
    // The script has the name of the operation that it is for.
    let is_script = |span: &ReceivedSpan| span.attribute("db.system.name").is_some();
    let settle = collector.wait_for("settle", |span| names("settle")(span) && !is_script(span)).await;
    assert!(settle.is_child_of(&process), "{settle:?}");
    let script = collector.wait_for("script", |span| names("settle")(span) && is_script(span)).await;
    assert!(script.is_child_of(&settle), "{script:?}");

    for span in collector.spans() {
        assert_eq!(hex(span.trace()), CALLERS_TRACE, "not of the sampled trace: {span:?}");
        assert!(!span.is_error(), "{span:?}");
        for (key, value) in span.attributes() {
            assert!(!value.contains(BUYER) && !value.contains("payload"), "{key} leaks buyer data: {span:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_after_a_crash_is_linked_to_the_same_enqueue() {
    let collector = TraceCollector::start().await;
    let mut system = MonitoredSystem::start(&no_random_sampling(&collector)).await;
    let (client, untraced) = (traced_client(&system).await, system.client().await);
    let lease_duration = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    let sale = proto::Sale { sale_id: "phone".into(), stock: Some(1), lease_duration, ..Default::default() };
    create_sale(&untraced, sale).await;
    // Fulfilment is killed while it waits for the order system.
    system.service("orders").process.suspend();
    enqueue(&client, "phone", BUYER).await;
    until(&untraced, "phone", "claimed", |ledger| tickets(ledger.in_flight) == 1).await;
    system.restart_after_kill("fulfilment").await;
    system.service("orders").process.resume();
    until(&untraced, "phone", "ordered", |ledger| tickets(ledger.ordered) == 1).await;

    let (_, send) = enqueue_spans(&collector).await;
    let process = collector.wait_for("process", names("process")).await;
    assert_eq!(process.attribute("inrush.attempt").as_deref(), Some("2"), "the first was killed");
    assert_eq!(process.attribute("inrush.outcome").as_deref(), Some("ordered"));
    assert!(process.is_linked_to(&send) && process.is_child_of(&send), "{process:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_are_traced_even_when_unsampled() {
    let collector = TraceCollector::start().await;
    let mut system = MonitoredSystem::start(&no_random_sampling(&collector)).await;
    let client = system.client().await;
    create_sale(&client, proto::Sale { sale_id: "phone".into(), stock: Some(1), ..Default::default() }).await;
    enqueue(&client, "phone", BUYER).await;
    until(&client, "phone", "ordered", |ledger| tickets(ledger.ordered) == 1).await;
    system.redis.kill();
    assert!(client.enqueue("phone", "bob", 1, Vec::new()).await.is_err());
    let kept = collector.wait_for("error", ReceivedSpan::is_error).await;
    assert_eq!(kept.name(), "inrush.v1.QueueService/Enqueue");
    assert_eq!(kept.attribute("inrush.sampling_reason").as_deref(), Some("error"));
    assert_eq!(kept.attribute("error.type").as_deref(), Some("UNAVAILABLE"));
    assert!(kept.parent().is_empty() && kept.duration_nanos() > 0, "{kept:?}");
    assert!(collector.spans().iter().all(ReceivedSpan::is_error), "the successful call has no spans");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_or_silent_collector_has_no_effect() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for address in [closed, silent.local_addr().expect("an address")] {
        let endpoint = format!("http://{address}");
        let variables =
            [("INRUSH_TELEMETRY_OTLP_ENDPOINT", endpoint.as_str()), ("INRUSH_TELEMETRY_SAMPLING_RATIO", "1")];
        let mut system = MonitoredSystem::start(&variables).await;
        let client = system.client().await;
        create_sale(&client, proto::Sale { sale_id: "phone".into(), stock: Some(200), ..Default::default() })
            .await;
        for buyer in 0..200 {
            enqueue(&client, "phone", &format!("buyer-{buyer}")).await;
        }
        until(&client, "phone", "ordered", |ledger| tickets(ledger.ordered) == 200).await;
        for service in &mut system.services {
            service.process.terminate();
            let status = service.process.wait().await;
            assert!(status.success(), "{}: {}", service.name, service.process.output());
        }
    }
}
