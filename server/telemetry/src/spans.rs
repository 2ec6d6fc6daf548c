//! Spans that more than one service makes, after OpenTelemetry's semantic conventions.
//!
//! A span is named after its operation and not after the queue, since there may be ten thousand queues.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    DB_OPERATION_BATCH_SIZE, DB_OPERATION_NAME, DB_SYSTEM_NAME, ERROR_TYPE, MESSAGING_DESTINATION_NAME,
    MESSAGING_OPERATION_NAME, MESSAGING_OPERATION_TYPE, MESSAGING_SYSTEM,
};

use crate::Traces;
use crate::batch_trace::links;

/// The messaging system of all spans.
const MESSAGING_SYSTEM_NAME: &str = "inrush";

/// Capacity for a span's attributes, so that their list is allocated once.
const ATTRIBUTE_CAPACITY: usize = 8;

/// An operation on messages of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOperation {
    /// A message is enqueued.
    Send,
    /// Messages are claimed.
    Receive,
    /// A message is processed.
    Process,
    /// Outcomes of messages are recorded.
    Settle,
}

impl QueueOperation {
    const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Process => "process",
            Self::Settle => "settle",
        }
    }

    const fn kind(self) -> SpanKind {
        match self {
            Self::Send => SpanKind::Producer,
            Self::Receive | Self::Settle => SpanKind::Client,
            Self::Process => SpanKind::Consumer,
        }
    }
}

/// The span of an operation on messages of `queue`.
#[must_use]
pub fn queue_span(
    operation: QueueOperation,
    queue: &str,
    more: impl IntoIterator<Item = KeyValue>,
) -> SpanBuilder {
    let mut attributes = Vec::with_capacity(ATTRIBUTE_CAPACITY);
    attributes.extend([
        KeyValue::new(MESSAGING_SYSTEM, MESSAGING_SYSTEM_NAME),
        KeyValue::new(MESSAGING_OPERATION_NAME, operation.name()),
        KeyValue::new(MESSAGING_OPERATION_TYPE, operation.name()),
        KeyValue::new(MESSAGING_DESTINATION_NAME, queue.to_owned()),
    ]);
    attributes.extend(more);
    SpanBuilder {
        span_kind: Some(operation.kind()),
        attributes: Some(attributes),
        ..SpanBuilder::from_name(operation.name())
    }
}

/// A database call that has just ended.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseCall {
    /// The database system: `redis`, `postgresql`, `sqlite`.
    pub system: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// The batch size, if there is one.
    pub batch: Option<usize>,
    /// The duration.
    pub took: Duration,
    /// The kind of error, if it failed.
    pub error: Option<&'static str>,
}

impl DatabaseCall {
    /// Records its span as a child of that of `context`, if that is sampled.
    pub fn record(&self, traces: &Traces, context: &Context) {
        if !context.span().span_context().is_sampled() {
            return;
        }
        let ended = SystemTime::now();
        let mut attributes = Vec::with_capacity(ATTRIBUTE_CAPACITY);
        attributes.extend([
            KeyValue::new(DB_SYSTEM_NAME, self.system),
            KeyValue::new(DB_OPERATION_NAME, self.operation),
        ]);
        // The convention: the attribute is absent for a single operation.
        let batch = self.batch.filter(|size| *size > 1);
        attributes.extend(batch.map(|size| KeyValue::new(DB_OPERATION_BATCH_SIZE, count(size))));
        attributes.extend(self.error.map(|kind| KeyValue::new(ERROR_TYPE, kind)));
        let builder = SpanBuilder {
            span_kind: Some(SpanKind::Client),
            start_time: ended.checked_sub(self.took),
            attributes: Some(attributes),
            links: Some(links(context)),
            ..SpanBuilder::from_name(self.operation)
        };
        let mut span = traces.tracer().build_with_context(builder, context);
        if let Some(kind) = self.error {
            span.set_status(Status::error(kind));
        }
        span.end_with_timestamp(ended);
    }
}

/// A count as the value of an attribute.
#[must_use]
pub fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
