//! Spans of entries whose Enqueue was traced.

use std::time::Duration;

use inrush_core::SaleSettings;
use inrush_proto::v1::OrderRequest;
use inrush_telemetry::{TelemetrySettings, Traces, trace_context::TraceContext};
use opentelemetry_sdk::{
    Resource,
    trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor, SpanData},
};

use crate::{
    order_system::{OrderSystem, Reaction},
    store::TestStore,
    worker::{Worker, settings},
};

/// The spans that would be exported.
struct Sent(InMemorySpanExporter);

impl Sent {
    fn traces() -> (Traces, Self, SdkTracerProvider) {
        let sent = InMemorySpanExporter::default();
        let processor = SimpleSpanProcessor::new(sent.clone());
        let (traces, provider) = Traces::with_processor(
            &TelemetrySettings::default(),
            Resource::builder_empty().build(),
            processor,
        );
        (traces, Self(sent), provider)
    }

    fn all(&self) -> Vec<SpanData> {
        self.0.get_finished_spans().unwrap()
    }

    fn spans(&self, name: &str) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.name == name).collect()
    }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}

/// The span context of a ticket's Enqueue: one in three is traced.
fn enqueued(seq: u64) -> Option<TraceContext> {
    let trace = [&[0, 0][..], &[7; 15], &[u8::try_from(seq).unwrap()], &[1], &[8; 8], &[2, 1]].concat();
    TraceContext::from_bytes(&trace).filter(|_| seq.is_multiple_of(3))
}

fn carried(seq: u64) -> Vec<u8> {
    enqueued(seq).map_or_else(Vec::new, |trace| trace.to_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_of_a_traced_entry_has_a_span_linked_to_its_enqueue() {
    let (traces, sent, _provider) = Sent::traces();
    // Every first attempt is answered with retry.
    let react = |order: &OrderRequest| match order.attempt {
        1 => Reaction::retry(Duration::ZERO),
        _ => Reaction::order(order),
    };
    let (store, orders) = (TestStore::new(), OrderSystem::start(react).await);
    store.create("phone", &SaleSettings::of_stock(9)).await;
    store.enqueue_traced("phone", &[1; 9], carried).await;
    let worker = Worker::traced(settings(&orders), &store, traces);
    store.ordered("phone", 9).await;
    worker.stop().await;

    let deliveries = orders.deliveries();
    let attempts = sent.spans("process");
    assert_eq!(attempts.len(), 6, "three tickets, twice");
    for span in &attempts {
        let ticket = attribute(span, "messaging.message.id").unwrap();
        let attempt = attribute(span, "inrush.attempt").unwrap();
        let is_it = |order: &&OrderRequest| order.ticket_id == ticket && order.attempt.to_string() == attempt;
        let order = deliveries.iter().find(is_it).unwrap();
        let enqueued = enqueued(order.seq).unwrap().span_context();
        assert_eq!(span.parent_span_id, enqueued.span_id());
        let linked: Vec<_> = span.links.iter().map(|link| link.span_context.clone()).collect();
        assert_eq!(linked, [enqueued]);
        assert_eq!(
            TraceContext::from_bytes(&order.trace_context).map(|trace| trace.span_context().span_id()),
            Some(span.span_context.span_id()),
            "the order system's spans belong below this one"
        );
        let first = attempt == "1";
        assert_eq!(
            attribute(span, "inrush.outcome").as_deref(),
            Some(if first { "retry" } else { "ordered" })
        );
        assert_eq!(attribute(span, "error.type").as_deref(), first.then_some("retry"));
    }
    let untraced = deliveries.iter().filter(|order| !order.seq.is_multiple_of(3));
    assert!(untraced.clone().count() > 0 && untraced.clone().all(|order| order.trace_context.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_settlements_are_linked_to_all_their_traced_entries() {
    let (traces, sent, _provider) = Sent::traces();
    let (store, mut orders) = (TestStore::new(), OrderSystem::down(Reaction::order).await);
    store.create("phone", &SaleSettings::of_stock(9)).await;
    store.enqueue_traced("phone", &[1; 9], carried).await;
    let worker = Worker::traced(settings(&orders), &store, traces);
    orders.come_up().await;
    store.ordered("phone", 9).await;
    worker.stop().await;

    let attempts = sent.spans("process");
    let known = |span: &SpanData| {
        attempts.iter().any(|attempt| attempt.span_context.span_id() == span.parent_span_id)
    };
    let receives = sent.spans("receive");
    assert!(!receives.is_empty());
    // Each has one traced entry as its parent and the others as links: together all of them.
    let concerned: usize = receives.iter().map(|span| 1 + span.links.len()).sum();
    assert_eq!(concerned, 3);
    for span in &receives {
        let claims = sent.spans("claim");
        assert!(claims.iter().any(|claim| claim.parent_span_id == span.span_context.span_id()), "{span:?}");
        assert!(attribute(span, "messaging.batch.message_count").is_some(), "{span:?}");
    }
    let settles = sent.spans("settle");
    assert_eq!(settles.iter().map(|span| 1 + span.links.len()).sum::<usize>(), 3);
    assert!(settles.iter().all(known), "{settles:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untraced_entries_make_no_spans() {
    let (traces, sent, _provider) = Sent::traces();
    let (store, orders) = (TestStore::new(), OrderSystem::start(Reaction::order).await);
    store.create("phone", &SaleSettings::of_stock(100)).await;
    store.enqueue_traced("phone", &[1; 100], |_| Vec::new()).await;
    let worker = Worker::traced(settings(&orders), &store, traces);
    store.ordered("phone", 100).await;
    worker.stop().await;
    assert!(sent.all().is_empty());
    assert!(orders.deliveries().iter().all(|order| order.trace_context.is_empty()));
}
