//! The span of a buyer's wish on its way into the line. It is what travels in the entry: whoever processes the entry, however
//! much later, is linked to it.

use inrush_core::{SaleId, TicketId};
use inrush_runtime::{
    spans::{QueueOperation, queue_span},
    telemetry::Traces,
    trace_context::TraceContext,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, MESSAGING_MESSAGE_ID};

use crate::{
    operations::{Admitted, Place},
    status::Failure,
};

/// What became of the wish: `in_line`, or the reason why not.
const OUTCOME: &str = "inrush.outcome";

/// A wish on its way. Dropped before it is over, its caller has hung up.
pub(crate) enum Sending {
    /// Nobody traces it.
    Untraced,
    /// Its caller does, but this node makes no spans.
    Passed(TraceContext),
    /// In a span of its own.
    Traced(Context),
}

impl Sending {
    /// Begins the span of a wish for `sale` below that of its call, if that is traced.
    pub(crate) fn begin(traces: Option<&Traces>, call: Option<TraceContext>, sale: &SaleId) -> Self {
        let Some(call) = call else { return Self::Untraced };
        let Some(traces) = traces else { return Self::Passed(call) };
        let above = call.context();
        let builder = queue_span(QueueOperation::Send, sale.as_str(), []);
        let span = traces.tracer().build_with_context(builder, &above);
        Self::Traced(above.with_span(span))
    }

    /// What travels in the entry, if the wish is traced.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        match self {
            Self::Untraced => None,
            Self::Passed(call) => Some(*call),
            Self::Traced(context) => Some(context.span().span_context().into()),
        }
    }

    /// The wish has its answer.
    pub(crate) fn end(&self, sale: &SaleId, answer: &Result<Admitted, Failure>) {
        let Self::Traced(context) = self else { return };
        let span = context.span();
        match answer {
            Ok(Admitted::InLine(Place { epoch, seq, .. })) => {
                let ticket = TicketId { sale: sale.clone(), epoch: *epoch, seq: *seq };
                span.set_attribute(KeyValue::new(MESSAGING_MESSAGE_ID, ticket.to_string()));
                span.set_attribute(KeyValue::new(OUTCOME, "in_line"));
            }
            Ok(Admitted::NotIn(verdict)) => span.set_attribute(KeyValue::new(OUTCOME, verdict.reason())),
            Err(failure) => {
                span.set_attribute(KeyValue::new(ERROR_TYPE, failure.reason()));
                span.set_status(Status::error(failure.reason()));
            }
        }
        span.end();
    }
}
