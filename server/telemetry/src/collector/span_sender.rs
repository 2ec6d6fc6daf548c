//! Exports spans to a collector.
//!
//! A span is encoded immediately on the thread that made it, into a buffer of that thread, and a task sends the
//! buffers. The SDK's processor hands spans to a thread of its own, and that thread hands messages to the
//! connection's thread; each frees memory that another has allocated. With a tenth of the calls traced, that cost
//! half a microsecond of every Enqueue; this costs a tenth of one.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource as SentResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use prost::encoding::message;
use thread_local::ThreadLocal;
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::{BATCH_DELAY, failure};
use crate::export_health::ExportHealth;
use crate::traces::SCOPE;

mod span_encoder;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A buffer of this size, in bytes, is sent immediately.
const FLUSH_SIZE: usize = 256 * 1024;

/// The largest buffer, in bytes: a second of a busy core at the default ratio. A buffer is one export, so it is
/// below the 4 MiB that a collector takes.
const MAX_BUFFER_SIZE: usize = 3 * 1024 * 1024;

/// A span processor that exports to a collector.
#[derive(Debug)]
pub(crate) struct SpanSender {
    runtime: Handle,
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    /// Each thread's encoded spans, one after another.
    buffers: ThreadLocal<Mutex<Vec<u8>>>,
    /// Spans dropped since the last export, because a buffer was full.
    dropped: AtomicU64,
    /// Notified when a buffer reaches [`FLUSH_SIZE`].
    flush: Notify,
    /// Held during an export, so that a flush waits for the one in progress.
    sending: AsyncMutex<()>,
    client: Grpc<Channel>,
    health: Arc<ExportHealth>,
    /// Set before the first span is made.
    resource: OnceLock<SentResource>,
}

/// `ExportTraceServiceRequest` with the spans of one resource and one scope.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, required, tag = "1")]
    resource_spans: ResourceSpans,
}

/// `ResourceSpans` of OTLP.
#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, required, tag = "1")]
    resource: SentResource,
    /// An encoded `ScopeSpans`.
    #[prost(bytes = "bytes", tag = "2")]
    scope: Bytes,
}

/// Field numbers of `ScopeSpans`.
mod scope_spans {
    pub(super) const SCOPE: u32 = 1;
    pub(super) const SPANS: u32 = 2;
}

impl SpanSender {
    /// A processor that exports over this channel, on this runtime until it ends.
    pub(super) fn start(runtime: Handle, channel: Channel, health: Arc<ExportHealth>) -> Self {
        let queue = Arc::new(Queue {
            buffers: ThreadLocal::new(),
            dropped: AtomicU64::new(0),
            flush: Notify::new(),
            sending: AsyncMutex::new(()),
            client: Grpc::new(channel),
            health,
            resource: OnceLock::new(),
        });
        runtime.spawn(Arc::clone(&queue).run());
        Self { runtime, queue }
    }
}

impl SpanProcessor for SpanSender {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.queue.add(&span);
    }

    /// Exports all buffers. Must not be called on the runtime's thread.
    fn force_flush(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(super::EXPORT_TIMEOUT)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let (queue, (done, ended)) = (Arc::clone(&self.queue), mpsc::sync_channel(1));
        self.runtime.spawn(async move { done.send(queue.send_all().await) });
        match ended.recv_timeout(timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(timeout)),
            Err(RecvTimeoutError::Disconnected) => Err(OTelSdkError::AlreadyShutdown),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        let attributes = ResourceAttributesWithSchema::from(resource).attributes.0;
        self.queue.resource.get_or_init(|| SentResource { attributes, ..SentResource::default() });
    }
}

impl Queue {
    fn add(&self, span: &SpanData) {
        let mut buffer = self.buffers.get_or_default().lock();
        if buffer.len() >= MAX_BUFFER_SIZE {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_full = buffer.len() >= FLUSH_SIZE;
        span_encoder::encode(scope_spans::SPANS, span, &mut buffer);
        if !was_full && buffer.len() >= FLUSH_SIZE {
            self.flush.notify_one();
        }
    }

    async fn run(self: Arc<Self>) {
        loop {
            // Exports at the latest after the delay.
            let _ = timeout(BATCH_DELAY, self.flush.notified()).await;
            // A failure is logged where it happens.
            let _ = self.send_all().await;
        }
    }

    /// Exports all buffers; an error if one of the exports failed or spans were dropped.
    async fn send_all(&self) -> OTelSdkResult {
        let _guard = self.sending.lock().await;
        let mut outcome = Ok(());
        for buffer in &self.buffers {
            let Some(spans) = take(buffer) else { continue };
            let sent = self.send(spans).await.and(self.check_dropped());
            self.health.record(&sent);
            outcome = outcome.and(sent);
        }
        outcome
    }

    fn check_dropped(&self) -> OTelSdkResult {
        match self.dropped.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            spans => {
                Err(OTelSdkError::InternalFailure(format!("{spans} spans were dropped: the buffer was full")))
            }
        }
    }

    async fn send(&self, spans: Vec<u8>) -> OTelSdkResult {
        let export = self.export(spans);
        let mut sent = self.call(export.clone()).await;
        // A closed connection is often detected only at its next use, so one retry.
        if sent.as_ref().is_err_and(|status| status.code() == Code::Unavailable) {
            sent = self.call(export).await;
        }
        sent.map_err(|status| failure(&status))
    }

    fn export(&self, mut spans: Vec<u8>) -> Export {
        let scope = InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() };
        // Fields may come in any order.
        message::encode(scope_spans::SCOPE, &scope, &mut spans);
        let resource = self.resource.get().cloned().unwrap_or_default();
        Export { resource_spans: ResourceSpans { resource, scope: spans.into() } }
    }

    async fn call(&self, export: Export) -> Result<(), Status> {
        // A clone shares the connection.
        let mut client = self.client.clone();
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<Export, ExportTraceServiceResponse>::default();
        client.unary(Request::new(export), PathAndQuery::from_static(EXPORT), codec).await.map(drop)
    }
}

/// Empties a buffer. `None` if it was empty.
fn take(buffer: &Mutex<Vec<u8>>) -> Option<Vec<u8>> {
    let mut buffer = buffer.lock();
    // The next export will be about as large.
    let next = Vec::with_capacity(buffer.len());
    (!buffer.is_empty()).then(|| mem::replace(&mut *buffer, next))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Tracer as _;
    use tokio::runtime::Builder;
    use tonic::transport::Endpoint;

    use super::*;
    use crate::{TelemetrySettings, Traces};

    #[test]
    fn buffers_are_bounded_and_dropped_spans_are_reported() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let channel = {
            let _guard = runtime.enter();
            Endpoint::from_static("http://127.0.0.1:1").connect_lazy()
        };
        // This runtime runs in `block_on` only, so nothing is exported before.
        let health = Arc::new(ExportHealth::new("http://127.0.0.1:1".to_owned()));
        let sender = SpanSender::start(runtime.handle().clone(), channel, health);
        let queue = Arc::clone(&sender.queue);
        let resource = Resource::builder_empty().with_service_name("inrush-front").build();
        let (traces, _provider) = Traces::with_processor(&TelemetrySettings::default(), resource, sender);
        let buffered = || queue.buffers.get_or_default().lock().len();
        while buffered() < MAX_BUFFER_SIZE {
            drop(traces.tracer().start_with_context("a/B", &Context::new()));
        }
        let full = buffered();
        assert!(full < MAX_BUFFER_SIZE + 1024);
        for _ in 0..3 {
            drop(traces.tracer().start_with_context("a/B", &Context::new()));
        }
        assert_eq!((buffered(), queue.dropped.load(Ordering::Relaxed)), (full, 3));
        assert_eq!(queue.resource.get().unwrap().attributes.len(), 1);
        assert!(runtime.block_on(queue.send_all()).is_err(), "the collector is not there");
        assert_eq!((buffered(), queue.dropped.load(Ordering::Relaxed)), (0, 0));
        assert!(runtime.block_on(queue.send_all()).is_ok(), "the buffer is empty");
    }
}
