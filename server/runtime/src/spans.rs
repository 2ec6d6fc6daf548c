//! Spans that more than one service makes, in the words of OpenTelemetry's conventions.
//!
//! Spans are named by what is done and not by what it is done to, since there may be ten thousand queues.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    DB_OPERATION_BATCH_SIZE, DB_OPERATION_NAME, DB_SYSTEM_NAME, ERROR_TYPE, MESSAGING_DESTINATION_NAME,
    MESSAGING_OPERATION_NAME, MESSAGING_OPERATION_TYPE, MESSAGING_SYSTEM,
};

use crate::batch_trace::links;
use crate::telemetry::Traces;

/// What the queues are called in spans.
const MESSAGING: &str = "inrush";

/// Attributes that a span may come to have, so that the list of them is allocated once.
const ATTRIBUTES: usize = 8;

/// What is done with the messages of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOperation {
    /// One is put into it.
    Send,
    /// Some are taken out.
    Receive,
    /// One is worked on.
    Process,
    /// It is told what came of some.
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

/// A span of something done with messages of `queue`.
#[must_use]
pub fn queue_span(
    operation: QueueOperation,
    queue: &str,
    more: impl IntoIterator<Item = KeyValue>,
) -> SpanBuilder {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    attributes.extend([
        KeyValue::new(MESSAGING_SYSTEM, MESSAGING),
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

/// Something that a database was asked, and has answered just now.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseRun {
    /// The kind of database: `redis`, `postgresql`, `sqlite`.
    pub system: &'static str,
    /// What it was asked.
    pub operation: &'static str,
    /// For how many at once, where there is a number.
    pub batch: Option<usize>,
    /// How long it took.
    pub took: Duration,
    /// What kind of error came of it, if one did.
    pub error: Option<&'static str>,
}

impl DatabaseRun {
    /// Makes its span below that of `context`, if that is sampled.
    pub fn trace(&self, traces: &Traces, context: &Context) {
        if !context.span().span_context().is_sampled() {
            return;
        }
        let ended = SystemTime::now();
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        attributes.extend([
            KeyValue::new(DB_SYSTEM_NAME, self.system),
            KeyValue::new(DB_OPERATION_NAME, self.operation),
        ]);
        // The conventions have no batches of one.
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

/// A count, as spans have it.
#[must_use]
pub fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
