//! An OTLP collector that stores the spans it receives.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::monitored_system::TIMEOUT;

/// A received span.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSpan {
    /// The service that sent it.
    pub(crate) service: String,
    span: Span,
}

/// A running collector.
#[derive(Clone, Default)]
pub(crate) struct TraceCollector {
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
    url: String,
}

impl TraceCollector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let collector = Self { url: format!("http://{address}"), ..Self::default() };
        let server = Server::builder().add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        collector
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().expect("not poisoned").clone()
    }

    /// Waits for a span.
    pub(crate) async fn wait_for(&self, what: &str, matches: impl Fn(&ReceivedSpan) -> bool) -> ReceivedSpan {
        let started = Instant::now();
        loop {
            if let Some(found) = self.spans().into_iter().find(|span| matches(span)) {
                return found;
            }
            assert!(started.elapsed() < TIMEOUT, "no {what} among {:#?}", self.names());
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn names(&self) -> Vec<String> {
        self.spans().iter().map(|span| format!("{}: {}", span.service, span.name())).collect()
    }
}

impl ReceivedSpan {
    pub(crate) fn name(&self) -> &str {
        &self.span.name
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    pub(crate) fn trace(&self) -> &[u8] {
        &self.span.trace_id
    }

    pub(crate) fn id(&self) -> &[u8] {
        &self.span.span_id
    }

    pub(crate) fn parent(&self) -> &[u8] {
        &self.span.parent_span_id
    }

    pub(crate) fn is_error(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        self.attributes().get(key).cloned()
    }

    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        self.span.attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
    }

    pub(crate) fn is_linked_to(&self, other: &Self) -> bool {
        let mut links = self.span.links.iter();
        links.any(|link| link.trace_id == other.trace() && link.span_id == other.id())
    }

    pub(crate) fn is_child_of(&self, other: &Self) -> bool {
        self.trace() == other.trace() && self.parent() == other.id()
    }

    /// Its duration in nanoseconds.
    pub(crate) fn duration_nanos(&self) -> u64 {
        self.span.end_time_unix_nano.saturating_sub(self.span.start_time_unix_nano)
    }
}

fn text(pair: &KeyValue) -> String {
    match pair.value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[tonic::async_trait]
impl TraceService for TraceCollector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().expect("not poisoned");
        for process in request.into_inner().resource_spans {
            let resource = process.resource.unwrap_or_default();
            let name = resource.attributes.iter().find(|pair| pair.key == "service.name").map(text);
            let service = name.expect("service.name is set");
            for span in process.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(ReceivedSpan { service: service.clone(), span });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
