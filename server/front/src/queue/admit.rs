//! The batched operation of Enqueue: admits buyers. And the span of each Enqueue.

use std::sync::Arc;

use inrush_core::{
    Durability, SaleId, Store, StoreError, TicketRef, TicketStatus, admission,
    keyring::BuyerTag,
    store::{Admission, AdmitReply, AdmitRequest},
};
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
    call_error::CallError, gate_decision::GateDecision, metrics::SaleCounts, queue::batcher::Operation,
    queue::gate::Gates,
};

/// Admits buyers, and updates the gate by the reply.
pub(crate) struct AdmitOp {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) counts: Arc<SaleCounts>,
}

/// The outcome of one Enqueue.
pub(crate) enum AdmitOutcome {
    /// The buyer has a ticket, new or from before.
    Queued(QueuedTicket),
    /// The buyer has none.
    NotQueued(GateDecision),
}

/// A ticket that was just assigned, or that its buyer already had.
pub(crate) struct QueuedTicket {
    pub(crate) ticket: TicketRef,
    pub(crate) buyer: BuyerTag,
    pub(crate) status: TicketStatus,
    pub(crate) repeated: bool,
    pub(crate) measured_pace: u64,
    pub(crate) durability: Durability,
}

impl Operation for AdmitOp {
    type Request = AdmitRequest;
    type Reply = AdmitOutcome;

    /// The batch before may have closed the gate while this call waited.
    fn cached_reply(
        &self,
        sale: &SaleId,
        AdmitRequest { entry, restores, .. }: &AdmitRequest,
    ) -> Option<AdmitOutcome> {
        if restores.is_some() {
            return None;
        }
        let decision = self.gates.decision(sale, &entry.buyer, entry.units)?;
        self.counts.refused_by_gate(sale, decision);
        Some(AdmitOutcome::NotQueued(decision))
    }

    async fn run(&self, sale: &SaleId, requests: &[AdmitRequest]) -> Result<Vec<AdmitOutcome>, StoreError> {
        let pending = self.gates.begin_update(sale);
        let admission::AdmittedBatch { reply, statuses } =
            admission::admit(&*self.store, sale, requests).await?;
        self.gates.update(sale, pending, requests, &reply);
        self.counts.admitted(sale, requests, &reply.admissions);
        let outcomes = requests.iter().zip(&reply.admissions).zip(statuses);
        outcomes
            .map(|((request, &admission), status)| {
                admitted(sale, BuyerTag::of(&request.entry.buyer), &reply, admission, status)
            })
            .collect()
    }
}

/// `status` is that of an existing ticket.
fn admitted(
    sale: &SaleId,
    buyer: BuyerTag,
    reply: &AdmitReply,
    admission: Admission,
    status: Option<TicketStatus>,
) -> Result<AdmitOutcome, StoreError> {
    let (seq, status, repeated) = match admission {
        Admission::Queued { seq, position } => {
            (seq, TicketStatus::Waiting { position, attempted: false }, false)
        }
        Admission::Existing { seq } | Admission::Restored { seq } => {
            let lost =
                || StoreError::Corrupt(format!("ticket {seq} of sale {sale} is queued and has no status"));
            (seq, status.ok_or_else(lost)?, true)
        }
        Admission::Refused(refusal) => return Ok(AdmitOutcome::NotQueued(GateDecision::Refused(refusal))),
        Admission::Bypass => return Ok(AdmitOutcome::NotQueued(GateDecision::Bypass)),
    };
    let AdmitReply { measured_pace, durability, .. } = *reply;
    let ticket = reply.epochs.ticket(seq);
    Ok(AdmitOutcome::Queued(QueuedTicket { ticket, buyer, status, repeated, measured_pace, durability }))
}

/// The attribute with the outcome of the Enqueue: `in_line`, or the reason of the refusal.
const OUTCOME: &str = "inrush.outcome";

/// The `send` span of one Enqueue. Its context travels in the queue entry, so the span that processes the entry is linked to
/// it. If it is dropped before [`Self::end`], the client disconnected.
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
            Ok(AdmitOutcome::Queued(QueuedTicket { ticket, .. })) => {
                let ticket = ticket.in_sale(sale.clone());
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
