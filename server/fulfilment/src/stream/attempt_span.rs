//! Spans of attempts: each entry whose Enqueue was traced is processed in a span of its own, from its claim
//! to its outcome.
//!
//! The span is in the trace of the Enqueue and is linked to it. It starts from the trace context in the
//! entry, so an earlier attempt whose fulfilment was killed makes no difference.

use inrush_core::{entry::ClaimedEntry, store::Outcome};
use inrush_telemetry::{
    Traces,
    batch_trace::link,
    spans::{QueueOperation, queue_span},
    trace_context::TraceContext,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, MESSAGING_MESSAGE_ID};

/// The outcome of the attempt.
const OUTCOME: &str = "inrush.outcome";
/// The number of the attempt, from 1.
const NUMBER: &str = "inrush.attempt";

/// The trace context that the entry carries, if its Enqueue was traced.
pub(crate) fn enqueued(claimed: &ClaimedEntry) -> Option<TraceContext> {
    TraceContext::from_bytes(&claimed.entry.trace).filter(TraceContext::is_sampled)
}

/// The span of an attempt in progress. It ends without an outcome if it is dropped, as when the lease is
/// lost.
#[derive(Clone, Debug)]
pub(crate) struct AttemptSpan(Context);

impl AttemptSpan {
    /// Starts one, if the entry's Enqueue was traced.
    pub(crate) fn begin(
        traces: &Traces,
        sale: &str,
        ticket_id: &str,
        claimed: &ClaimedEntry,
    ) -> Option<Self> {
        let enqueued = enqueued(claimed)?;
        let mut builder = queue_span(
            QueueOperation::Process,
            sale,
            [
                KeyValue::new(MESSAGING_MESSAGE_ID, ticket_id.to_owned()),
                KeyValue::new(NUMBER, i64::from(claimed.attempt)),
            ],
        );
        builder.links = Some(vec![link(&enqueued)]);
        let above = enqueued.context();
        let span = traces.tracer().build_with_context(builder, &above);
        Some(Self(above.with_span(span)))
    }

    /// The trace context for the order system, so that its spans are children of this one.
    pub(crate) fn trace(&self) -> TraceContext {
        self.0.span().span_context().into()
    }

    /// Ends the span with the answer of the order system.
    pub(crate) fn answered(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Ordered { .. } => self.end("ordered", None),
            Outcome::Rejected { .. } => self.end("rejected", None),
            Outcome::Retry { .. } => self.end("retry", Some("retry")),
        }
    }

    /// Ends the span of an entry that is requeued without an answer, with this `error.type`.
    pub(crate) fn requeued(&self, error: &'static str) {
        self.end("retry", Some(error));
    }

    fn end(&self, outcome: &'static str, error: Option<&'static str>) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new(OUTCOME, outcome));
        if let Some(error) = error {
            span.set_attribute(KeyValue::new(ERROR_TYPE, error));
            span.set_status(Status::error(error));
        }
        span.end();
    }
}
