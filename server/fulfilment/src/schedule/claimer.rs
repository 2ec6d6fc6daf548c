//! Claims entries of one sale and moves them into the in-flight window and an order stream.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use inrush_core::{
    SaleId, Store, StoreError,
    entry::ClaimedEntry,
    store::{Backlog, Claim, ClaimRequest, LeaseToken},
};
use inrush_proto::v1::OrderRequest;
use inrush_telemetry::{
    Traces,
    batch_trace::{BatchTrace, links},
    spans::{DatabaseCall, QueueOperation, count, queue_span},
};
use opentelemetry::{
    KeyValue,
    trace::{TraceContextExt as _, Tracer as _},
};
use opentelemetry_semantic_conventions::attribute::MESSAGING_BATCH_MESSAGE_COUNT;
use tokio::{sync::mpsc::error::TrySendError, time::Instant};

use crate::{
    metrics::WorkerMetrics,
    reconcile::rises::Rises,
    settle::requeuer::Requeuer,
    statistics::{Counter, Statistics},
    stream::attempt_span::{AttemptSpan, enqueued},
    stream::in_flight_table::InFlightEntry,
    stream::in_flight_window::{InFlightWindow, Reservation},
    stream::order_lane::LaneId,
};

/// Makes claims: any number at a time, at most one for each sale.
#[derive(Clone)]
pub(crate) struct Claimer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) window: Arc<InFlightWindow>,
    pub(crate) requeuer: Requeuer,
    pub(crate) statistics: Statistics,
    pub(crate) metrics: WorkerMetrics,
    /// `None` disables tracing.
    pub(crate) traces: Option<Traces>,
    /// The fraction of a lease after which it is extended.
    pub(crate) lease_extend_ratio: f64,
    /// The time within which the order system must answer.
    pub(crate) response_timeout: Duration,
    pub(crate) rises: Rises,
}

/// The result of one claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    pub(crate) entries: usize,
    pub(crate) backlog: Backlog,
}

impl Claimer {
    /// Claims the sale's next entries, as many as there are permits, and puts them into the stream.
    pub(crate) async fn claim(&self, sale: &SaleId, permits: Reservation) -> Result<Claimed, StoreError> {
        // Leases count from before the call, so that they end here before they end in the store.
        let called_at = Instant::now();
        let claim = self.store.claim(sale, ClaimRequest { max: permits.permits() }).await?;
        let claimed = Claimed { entries: claim.entries.len(), backlog: claim.backlog };
        self.rises.see(sale, claim.epochs.present(), claim.epochs.past().len() as u64);
        if claimed.entries > 0 {
            self.statistics.add(Counter::Claimed, claimed.entries);
            self.metrics.claimed(sale, claimed.entries);
            self.metrics.sale_gauges.mark_dirty(sale);
            self.trace(sale, &claim.entries, called_at.elapsed());
            self.dispatch(sale, claim, permits, called_at).await;
        }
        Ok(claimed)
    }

    /// Makes the spans of a claim if it returned entries whose Enqueue was traced, which is only known now.
    fn trace(&self, sale: &SaleId, entries: &[ClaimedEntry], took: Duration) {
        let Some(traces) = &self.traces else { return };
        let Some(batch) = BatchTrace::from_members(entries.iter().filter_map(enqueued)) else { return };
        let (above, ended) = (batch.context(), SystemTime::now());
        let size = KeyValue::new(MESSAGING_BATCH_MESSAGE_COUNT, count(entries.len()));
        let mut builder = queue_span(QueueOperation::Receive, sale.as_str(), [size]);
        builder.start_time = ended.checked_sub(took);
        builder.links = Some(links(&above));
        let receiving = above.with_span(traces.tracer().build_with_context(builder, &above));
        let (system, batch) = (self.store.backend(), Some(entries.len()));
        DatabaseCall { system, operation: "claim", batch, took, error: None }.record(traces, &receiving);
        receiving.span().end_with_timestamp(ended);
    }

    async fn dispatch(&self, sale: &SaleId, claim: Claim, permits: Reservation, called_at: Instant) {
        let fence = claim.fence;
        let (orders, unanswered) = self.split(sale, claim, permits.lane(), called_at);
        let unsent = match permits.fill(unanswered) {
            Ok(outbound) => match outbound.try_send(orders) {
                Ok(()) => return,
                // The stream has just broken, or the order system does not read.
                Err(TrySendError::Closed(orders) | TrySendError::Full(orders)) => {
                    let leases = orders.into_iter().map(|order| {
                        let lease_token = LeaseToken { seq: order.seq, fence };
                        (order.ticket_id, lease_token)
                    });
                    self.window.withdraw(leases)
                }
            },
            Err(unanswered) => unanswered,
        };
        self.requeuer.stream_broken(unsent).await;
    }

    /// Makes the order requests, and the in-flight entry of each.
    fn split(
        &self,
        sale: &SaleId,
        Claim { epochs, created_at, fence, lease, entries, backlog: _ }: Claim,
        lane: LaneId,
        called_at: Instant,
    ) -> (Vec<OrderRequest>, Vec<(String, InFlightEntry)>) {
        let renew_at = called_at + lease.mul_f64(self.lease_extend_ratio);
        let overdue_at = called_at + self.response_timeout;
        let sale_create_time = UNIX_EPOCH.checked_add(Duration::from_millis(created_at.0)).map(Into::into);
        entries
            .into_iter()
            .map(|claimed| {
                let ticket_id = epochs.ticket(claimed.seq).in_sale(sale.clone()).to_string();
                let begin = |traces| AttemptSpan::begin(traces, sale.as_str(), &ticket_id, &claimed);
                let span = self.traces.as_ref().and_then(begin);
                let ClaimedEntry { seq, attempt, entry } = claimed;
                // Without a span of this process, the order system gets the trace context of the Enqueue.
                let trace = span.as_ref().map_or(entry.trace, |span| span.trace().to_bytes().to_vec());
                let order = OrderRequest {
                    ticket_id: ticket_id.clone(),
                    sale_id: sale.as_str().to_owned(),
                    seq,
                    buyer_id: entry.buyer.as_str().to_owned(),
                    units: entry.units,
                    payload: entry.payload.into(),
                    attempt,
                    trace_context: trace.into(),
                    sale_create_time,
                };
                let lease_token = LeaseToken { seq, fence };
                let sale = sale.clone();
                let unanswered = InFlightEntry {
                    sale,
                    lease_token,
                    attempt,
                    lane,
                    sent: None,
                    span,
                    lease,
                    renew_at,
                    overdue_at,
                };
                (order, (ticket_id, unanswered))
            })
            .unzip()
    }
}
