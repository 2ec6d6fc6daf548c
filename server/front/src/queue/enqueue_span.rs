//! The `send` span of an Enqueue. Its context travels in the queue entry, so the span that processes the entry is linked to it.

use inrush_core::{SaleId, TicketId};
use inrush_telemetry::{
    Traces,
    spans::{QueueOperation, queue_span},
    trace_context::TraceContext,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, MESSAGING_MESSAGE_ID};

use crate::{
    call_error::CallError,
    queue::operations::{AdmitOutcome, QueuedTicket},
};

/// The outcome of the Enqueue: `in_line`, or the reason of the refusal.
const OUTCOME: &str = "inrush.outcome";

/// The span of one Enqueue. If it is dropped before [`Self::end`], the client disconnected.
pub(crate) enum EnqueueSpan {
    /// Not traced.
    Untraced,
    /// Traced by the caller; this node exports no spans and passes the context on.
    PassThrough(TraceContext),
    /// Traced, in a span of its own.
    Traced(Context),
}

impl EnqueueSpan {
    /// Starts a span for an Enqueue into `sale` as a child of the call's span, if the call is traced.
    pub(crate) fn begin(traces: Option<&Traces>, call: Option<TraceContext>, sale: &SaleId) -> Self {
        let Some(call) = call else { return Self::Untraced };
        let Some(traces) = traces else { return Self::PassThrough(call) };
        let above = call.context();
        let builder = queue_span(QueueOperation::Send, sale.as_str(), []);
        let span = traces.tracer().build_with_context(builder, &above);
        Self::Traced(above.with_span(span))
    }

    /// The trace context for the entry, if the Enqueue is traced.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        match self {
            Self::Untraced => None,
            Self::PassThrough(call) => Some(*call),
            Self::Traced(context) => Some(context.span().span_context().into()),
        }
    }

    /// Ends the span with the outcome of the Enqueue.
    pub(crate) fn end(&self, sale: &SaleId, answer: &Result<AdmitOutcome, CallError>) {
        let Self::Traced(context) = self else { return };
        let span = context.span();
        match answer {
            Ok(AdmitOutcome::Queued(QueuedTicket { epoch, seq, .. })) => {
                let ticket = TicketId { sale: sale.clone(), epoch: *epoch, seq: *seq };
                span.set_attribute(KeyValue::new(MESSAGING_MESSAGE_ID, ticket.to_string()));
                span.set_attribute(KeyValue::new(OUTCOME, "in_line"));
            }
            Ok(AdmitOutcome::NotQueued(decision)) => {
                span.set_attribute(KeyValue::new(OUTCOME, decision.reason()));
            }
            Err(failure) => {
                span.set_attribute(KeyValue::new(ERROR_TYPE, failure.reason()));
                span.set_status(Status::error(failure.reason()));
            }
        }
        span.end();
    }
}
