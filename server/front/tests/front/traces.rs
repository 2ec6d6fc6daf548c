//! The spans of calls, and the trace context in queue entries.

use inrush_core::SaleSettings;
use inrush_telemetry::{TelemetrySettings, Traces, trace_context::TraceContext};
use opentelemetry_sdk::{
    Resource,
    trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor, SpanData},
};
use tonic::{Code, Request};

use crate::{
    harness::{Front, enqueue_request, eventually, settings},
    probe::Probe,
};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What would be sent to a collector.
struct Sent(InMemorySpanExporter);

impl Sent {
    /// A front that traces this share of its calls, and no slow ones.
    async fn front(sampling_ratio: f64) -> (Front, Self, SdkTracerProvider) {
        let slow_call_threshold = std::time::Duration::from_secs(3600);
        let telemetry =
            TelemetrySettings { sampling_ratio, slow_call_threshold, ..TelemetrySettings::default() };
        let sent = InMemorySpanExporter::default();
        let processor = SimpleSpanProcessor::new(sent.clone());
        let (traces, provider) =
            Traces::with_processor(&telemetry, Resource::builder_empty().build(), processor);
        (Front::traced(Probe::new(), settings(), traces).await, Self(sent), provider)
    }

    /// The first span of this name. A call's span is sent with its answer, so it may be there a moment later.
    async fn span(&self, name: &str) -> SpanData {
        let find = || self.spans().into_iter().find(|span| span.name == name);
        eventually(name, async || find().is_some()).await;
        find().unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name.to_string()).collect()
    }

    fn spans(&self) -> Vec<SpanData> {
        self.0.get_finished_spans().unwrap()
    }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}

fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", CALLER.parse().unwrap());
    request
}

const ENQUEUE: &str = "inrush.v1.QueueService/Enqueue";

#[tokio::test]
async fn a_traced_enqueue_stores_its_span_in_the_queue_entry() {
    let (front, sent, _provider) = Sent::front(0.0).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    front.queue().enqueue(traced(enqueue_request("phone-x", "ada", 1))).await.unwrap();
    let (call, send) = (sent.span(ENQUEUE).await, sent.span("send").await);
    assert_eq!(call.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(send.parent_span_id, call.span_context.span_id());
    let ticket = attribute(&send, "messaging.message.id").unwrap();
    assert!(ticket.starts_with("phone-x/") && ticket.ends_with("/1"), "{ticket}");
    assert_eq!(attribute(&send, "inrush.outcome").as_deref(), Some("in_line"));
    let claim = front.claim("phone-x", 1).await;
    let carried = TraceContext::from_bytes(&claim.entries[0].entry.trace).unwrap();
    assert_eq!(carried.span_context().span_id(), send.span_context.span_id());
    assert_eq!(carried.span_context().trace_id(), call.span_context.trace_id());
}

#[tokio::test]
async fn an_untraced_enqueue_exports_no_span() {
    let (front, sent, _provider) = Sent::front(0.0).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    front.queued("phone-x", "ada").await;
    assert!(front.claim("phone-x", 1).await.entries[0].entry.trace.is_empty());
    // Calls of a connection are in order: once a traced call is seen, what came before would be.
    front.queue().enqueue(traced(enqueue_request("phone-x", "bob", 1))).await.unwrap();
    sent.span(ENQUEUE).await;
    assert_eq!(sent.names(), ["send", ENQUEUE]);
}

#[tokio::test]
async fn the_send_span_of_a_refusal_has_its_reason() {
    let (front, sent, _provider) = Sent::front(1.0).await;
    front.create("phone-x", SaleSettings { unit_limit: 1, ..SaleSettings::of_stock(10) }).await;
    front.enqueue_units("phone-x", "ada", 2).await;
    let send = sent.span("send").await;
    assert_eq!(attribute(&send, "inrush.outcome").as_deref(), Some("unit_limit"));
    let call = sent.span(ENQUEUE).await;
    assert_eq!(attribute(&call, "rpc.response.status_code").as_deref(), Some("OK"), "it is an answer");
}

#[tokio::test]
async fn spans_of_generated_services_have_the_status_from_the_trailers() {
    let (front, sent, _provider) = Sent::front(1.0).await;
    let missing = inrush_proto::v1::GetSaleRequest { sale_id: "nothing".to_owned() };
    assert_eq!(front.admin().get_sale(missing).await.unwrap_err().code(), Code::NotFound);
    let call = sent.span("inrush.v1.SaleAdminService/GetSale").await;
    assert_eq!(attribute(&call, "rpc.response.status_code").as_deref(), Some("NOT_FOUND"));
    assert_eq!(attribute(&call, "error.type"), None, "it is the caller's mistake");
}

#[tokio::test]
async fn failed_calls_force_a_span_and_disconnects_are_cancelled_spans() {
    let (front, sent, _provider) = Sent::front(0.0).await;
    front.create("phone-x", SaleSettings::of_stock(10)).await;
    let held = front.store.hold_admissions().await;
    let mut client = front.queue();
    let call =
        tokio::spawn(async move { client.enqueue(traced(enqueue_request("phone-x", "ada", 1))).await });
    eventually("the call is at the store", async || front.store.runs("admit") == 1).await;
    call.abort();
    let cancelled = sent.span(ENQUEUE).await;
    assert_eq!(attribute(&cancelled, "rpc.response.status_code").as_deref(), Some("CANCELLED"));
    assert_eq!(attribute(&cancelled, "error.type"), None);
    drop(held);
    sent.0.reset();
    front.store.set_unavailable(true);
    front.queue().enqueue(enqueue_request("phone-x", "bob", 1)).await.unwrap_err();
    let kept = sent.span(ENQUEUE).await;
    assert_eq!(attribute(&kept, "error.type").as_deref(), Some("UNAVAILABLE"));
    assert_eq!(attribute(&kept, "inrush.sampling_reason").as_deref(), Some("error"));
}
