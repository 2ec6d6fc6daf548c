//! An entry that was received, and the reason why a malformed one is rejected.

use std::time::Instant;

use inrush_proto::v1::OrderRequest;
use inrush_telemetry::trace_context::TraceContext;

use crate::{
    creation_time,
    order_store::{NewOrder, Payment, SaleKey},
    reply::Reply,
};

/// Room for the longest sale id, epoch and seq.
const MAX_TICKET_ID_BYTES: usize = 128;
const MAX_SALE_ID_BYTES: usize = 63;
const MAX_BUYER_ID_BYTES: usize = 128;
const MAX_UNITS: u64 = 1_000_000;

/// An entry that was received from a stream and is not answered.
pub(crate) struct Entry {
    /// The order to create. Its payment is decided by the batcher.
    pub(crate) order: NewOrder,
    /// Where the answer is sent.
    pub(crate) reply: Reply,
    /// When it was received.
    pub(crate) arrived: Instant,
    /// The stock lookup of its sale since then.
    pub(crate) lookup: StockLookup,
    /// The trace context of this attempt, if it is traced.
    pub(crate) trace: Option<TraceContext>,
}

/// The state of an entry's stock lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StockLookup {
    /// None since the entry arrived.
    NotRequested,
    /// The front has answered, and the stock is provisioned.
    Answered,
    /// The lookup failed.
    Failed,
}

impl Entry {
    /// Checks a request.
    pub(crate) fn new(request: OrderRequest, reply: Reply) -> Result<Self, Malformed> {
        if let Some(fault) = fault(&request) {
            let OrderRequest { ticket_id, attempt, .. } = request;
            return Err(Malformed { ticket_id, attempt, reply, reason: fault });
        }
        let created_at = creation_time::read(request.sale_create_time).unwrap_or_default();
        let trace = TraceContext::from_bytes(&request.trace_context).filter(TraceContext::is_sampled);
        let order = NewOrder {
            ticket_id: request.ticket_id,
            sale: SaleKey { sale_id: request.sale_id, created_at },
            seq: request.seq,
            buyer_id: request.buyer_id,
            units: request.units,
            // A client that sends no attempt sends the first.
            attempt: request.attempt.max(1),
            payment: Payment::Paid,
        };
        Ok(Self { order, reply, arrived: Instant::now(), lookup: StockLookup::NotRequested, trace })
    }
}

/// A request that can never become an order.
pub(crate) struct Malformed {
    /// As received.
    pub(crate) ticket_id: String,
    /// As received.
    pub(crate) attempt: u32,
    /// Where the answer is sent.
    pub(crate) reply: Reply,
    /// The reason.
    pub(crate) reason: &'static str,
}

fn fault(request: &OrderRequest) -> Option<&'static str> {
    if !is_name(&request.ticket_id, MAX_TICKET_ID_BYTES) {
        return Some("malformed: ticket_id must be 1 to 128 bytes without control characters");
    }
    if !is_name(&request.sale_id, MAX_SALE_ID_BYTES) {
        return Some("malformed: sale_id must be 1 to 63 bytes without control characters");
    }
    if !is_name(&request.buyer_id, MAX_BUYER_ID_BYTES) {
        return Some("malformed: buyer_id must be 1 to 128 bytes without control characters");
    }
    if !(1..=MAX_UNITS).contains(&request.units) {
        return Some("malformed: units must be 1 to 1000000");
    }
    if request.seq == 0 || i64::try_from(request.seq).is_err() {
        return Some("malformed: seq must be 1 to 9223372036854775807");
    }
    if creation_time::read(request.sale_create_time).is_none() {
        return Some("malformed: sale_create_time must be a time between 1970 and 9999, or absent");
    }
    None
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use inrush_proto::v1::OrderRequest;
    use prost_types::Timestamp;

    use super::fault;

    fn request() -> OrderRequest {
        OrderRequest {
            ticket_id: "shoes/1/7".to_owned(),
            sale_id: "shoes".to_owned(),
            seq: 7,
            buyer_id: "b".to_owned(),
            units: 1,
            ..OrderRequest::default()
        }
    }

    #[test]
    fn malformed_requests_are_refused_with_the_field() {
        assert_eq!(fault(&request()), None);
        let before_1970 = Some(Timestamp { seconds: -1, nanos: 0 });
        let faults: [(OrderRequest, &str); 11] = [
            (OrderRequest { ticket_id: String::new(), ..request() }, "ticket_id"),
            (OrderRequest { ticket_id: "x".repeat(129), ..request() }, "ticket_id"),
            (OrderRequest { ticket_id: "shoes\0/1/7".to_owned(), ..request() }, "ticket_id"),
            (OrderRequest { sale_id: String::new(), ..request() }, "sale_id"),
            (OrderRequest { sale_id: "x".repeat(64), ..request() }, "sale_id"),
            (OrderRequest { buyer_id: "a\nb".to_owned(), ..request() }, "buyer_id"),
            (OrderRequest { units: 0, ..request() }, "units"),
            (OrderRequest { units: 1_000_001, ..request() }, "units"),
            (OrderRequest { seq: 0, ..request() }, "seq"),
            (OrderRequest { seq: u64::MAX, ..request() }, "seq"),
            (OrderRequest { sale_create_time: before_1970, ..request() }, "sale_create_time"),
        ];
        for (request, field) in faults {
            let reason = fault(&request).unwrap_or_default();
            assert!(reason.contains(&format!("malformed: {field}")), "{field}: {reason}");
            assert!(reason.len() <= 256);
        }
    }
}
