//! The span of a settle call that records at least one traced attempt.

use inrush_core::{
    SaleId, Store, StoreError,
    store::{SettleResult, Settlement},
};
use inrush_telemetry::{
    Traces,
    batch_trace::{BatchTrace, links},
    spans::{QueueOperation, count, queue_span},
};
use opentelemetry::{
    KeyValue,
    context::FutureExt as _,
    trace::{Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, MESSAGING_BATCH_MESSAGE_COUNT};

/// Settles outcomes in a span that belongs to `trace`.
///
/// # Errors
/// The store's error.
pub(crate) async fn settle(
    store: &dyn Store,
    traces: &Traces,
    trace: &BatchTrace,
    sale: &SaleId,
    settlements: &[Settlement],
) -> Result<Vec<SettleResult>, StoreError> {
    let above = trace.clone().context();
    let size = KeyValue::new(MESSAGING_BATCH_MESSAGE_COUNT, count(settlements.len()));
    let mut builder = queue_span(QueueOperation::Settle, sale.as_str(), [size]);
    builder.links = Some(links(&above));
    let settling = above.with_span(traces.tracer().build_with_context(builder, &above));
    let result = store.settle(sale, settlements).with_context(settling.clone()).await;
    let span = settling.span();
    if let Err(error) = &result {
        span.set_attribute(KeyValue::new(ERROR_TYPE, error.kind()));
        span.set_status(Status::error(error.kind()));
    }
    span.end();
    result
}
