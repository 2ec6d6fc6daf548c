//! The errors of calls, and the one place where they become a gRPC status.
//!
//! Every status carries an `ErrorInfo` with the domain [`DOMAIN`] and a reason that never changes its meaning:
//!
//! | reason | code | what a caller does |
//! |---|---|---|
//! | `INVALID_ARGUMENT` | `INVALID_ARGUMENT` | mends the fields that `BadRequest` names |
//! | `MALFORMED_REQUEST` | `INVALID_ARGUMENT` | sends a message of the type that the call takes |
//! | `INVALID_TICKET` | `INVALID_ARGUMENT` | presents a ticket exactly as Enqueue returned it |
//! | `MESSAGE_TOO_LARGE` | `OUT_OF_RANGE` | sends less in one call (not RESOURCE_EXHAUSTED: waiting does not help) |
//! | `UNSUPPORTED_CONTENT_TYPE` | `INVALID_ARGUMENT`, HTTP 415 | calls with a gRPC client |
//! | `METHOD_NOT_ALLOWED` | `INVALID_ARGUMENT`, HTTP 405 | calls with a gRPC client |
//! | `UNSUPPORTED_COMPRESSION` | `UNIMPLEMENTED` | sends messages without compression |
//! | `UNKNOWN_CALL` | `UNIMPLEMENTED` | finds the services and methods by server reflection |
//! | `SALE_NOT_FOUND` | `NOT_FOUND` | checks the sale's id |
//! | `TICKET_UNKNOWN` | `NOT_FOUND` | enqueues again: the queue of the ticket no longer exists |
//! | `SALE_EXISTS` | `ALREADY_EXISTS` | updates the sale, or takes another id |
//! | `VERSION_CONFLICT` | `ABORTED` | reads the sale again and repeats its change on that |
//! | `SALE_CLOSED` | `FAILED_PRECONDITION` | nothing: closing is for good; to sell under the id again, deletes the sale first |
//! | `SALE_NOT_CLOSED` | `FAILED_PRECONDITION` | closes the sale first |
//! | `SALE_BUSY` | `FAILED_PRECONDITION` | waits until nothing is in flight, and redrives or discards dead letters |
//! | `CAP_BELOW_HELD` | `FAILED_PRECONDITION` | takes a cap that is at least what is held |
//! | `STOCK_BELOW_COMMITTED` | `FAILED_PRECONDITION` | takes a stock that is at least what is ordered or on its way |
//! | `STOCK_FIXED` | `FAILED_PRECONDITION` | creates another sale |
//! | `DURABILITY_UNAVAILABLE` | `FAILED_PRECONDITION` | takes MEMORY, or sets the store up to write to disk or to be followed by a replica |
//! | `NOT_ORDERED` | `FAILED_PRECONDITION` | releases orders only once they exist |
//! | `DEADLINE_EXCEEDED` | `DEADLINE_EXCEEDED` | repeats with more time |
//! | `OVERLOADED` | `UNAVAILABLE` | repeats after `RetryInfo` |
//! | `DRAINING` | `UNAVAILABLE` | repeats after `RetryInfo`, on another node |
//! | `STORE_UNAVAILABLE` | `UNAVAILABLE` | repeats after `RetryInfo` |
//! | `STORE_REFUSES_WRITES` | `UNAVAILABLE` | repeats after `RetryInfo`; the message has the cause: full, without replicas, or unable to write to disk |
//! | `STORE_ACCESS_DENIED` | `UNAVAILABLE` | repeats after `RetryInfo`; the operator finds the missing rights in the node's log |
//! | `RESTORING` | `UNAVAILABLE` | repeats after `RetryInfo`: holders of lost tickets come first; with a ticket of its own, names it as `previous_ticket` |
//! | `STORE_UNSUITABLE` | `UNAVAILABLE` | repeats after `RetryInfo`; the operator finds the remedy in the node's log |
//! | `INTERNAL` | `INTERNAL` | reports it: a defect, and the node's log has the details |

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header::ALLOW};
use inrush_core::{
    Durability, SaleId, StoreError, TicketState, Timestamp, keyring::InvalidTicket, sale::InvalidValue,
    store::WriteRefusal,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "inrush";

/// The method of gRPC.
const POST: HeaderValue = HeaderValue::from_static("POST");

/// Callers are asked to retry after this time, plus or minus half of it, so that they do not retry at the same time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call failed. Business outcomes are not errors: they are responses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Fields are invalid.
    #[error("{}", list(.0))]
    InvalidFields(Vec<InvalidValue>),
    /// The bytes do not decode as the message of this call.
    #[error("malformed request ({0}): build it from the published .proto files, with every string in UTF-8")]
    MalformedRequest(String),
    /// The message exceeds the size limit.
    #[error("{0}: send less in one call")]
    MessageTooLarge(String),
    /// The request is not gRPC's.
    #[error("the content type is not application/grpc: call this server with a gRPC client")]
    UnsupportedContentType,
    /// The HTTP method is not gRPC's.
    #[error("the HTTP method is not POST: call this server with a gRPC client")]
    MethodNotAllowed,
    /// The message has a compression that is not supported.
    #[error("{0}: send messages without compression")]
    UnsupportedCompression(String),
    /// The service or method does not exist.
    #[error("unknown service or method: server reflection lists those that exist")]
    UnknownCall,
    /// Not signed by this cluster.
    #[error(transparent)]
    InvalidTicket(#[from] InvalidTicket),
    /// There is no such sale.
    #[error("there is no sale {0}")]
    SaleNotFound(SaleId),
    /// Signed by this cluster, for a queue that no longer exists.
    #[error(
        "unknown ticket of sale {0}: the sale was recreated or its queue was lost after the ticket was issued; enqueue again for a new one"
    )]
    TicketUnknown(SaleId),
    /// A sale of that name has other settings.
    #[error("sale {0} already exists with other settings: change it with UpdateSale, or use another id")]
    SaleExists(SaleId),
    /// The sale has changed since the caller read it.
    #[error("version conflict: sale {sale} is at version {current}; re-read it and retry")]
    VersionConflict {
        /// The sale.
        sale: SaleId,
        /// Its current version; 0 if it was deleted.
        current: u64,
    },
    /// The sale is closed.
    #[error("the sale is closed: it cannot be changed")]
    SaleClosed,
    /// A sale of that name is closed.
    #[error("sale {0} exists and is closed: delete it to create it again, or use another id")]
    ClosedSaleExists(SaleId),
    /// The sale is not closed.
    #[error("the sale is not closed: close it first")]
    SaleNotClosed,
    /// Tickets are not final.
    #[error(
        "{tickets} tickets of the sale are in flight, wait for a retry or are dead: wait for the first two, and redrive or discard dead ones"
    )]
    SaleBusy {
        /// How many.
        tickets: u64,
    },
    /// The cap would be below the units in use.
    #[error("the cap cannot go below the {held} units that are held now")]
    CapBelowHeld {
        /// The lowest possible cap.
        held: u64,
    },
    /// The stock would be below the committed units.
    #[error("the stock cannot go below the {committed} units that are ordered or on their way now")]
    StockBelowCommitted {
        /// The lowest possible stock.
        committed: u64,
    },
    /// A sale with stock cannot become one without, nor the reverse.
    #[error("a sale with stock cannot become one without, nor the reverse: create another sale")]
    StockFixed,
    /// The store does not support the level of durability.
    #[error("{}, or leave durability at MEMORY", durability_remedy(*.0))]
    DurabilityUnavailable(Durability),
    /// The ticket has no order.
    #[error("the ticket is {}, not ordered: only an order can be released", state_name(*.0))]
    NotOrdered(TicketState),
    /// The deadline has passed.
    #[error("deadline exceeded")]
    DeadlineExceeded,
    /// The node is overloaded.
    #[error("this node is overloaded: retry after the delay in RetryInfo")]
    Overloaded,
    /// The node is draining.
    #[error("this node is draining: retry on another node after the delay in RetryInfo")]
    Draining,
    /// The store is unavailable.
    #[error("the store cannot be reached, or does not answer: retry after the delay in RetryInfo")]
    StoreUnavailable,
    /// The store refuses to write.
    #[error("{}; retry after the delay in RetryInfo", refusal_remedy(*.0))]
    StoreRefusesWrites(WriteRefusal),
    /// The store denies access.
    #[error("the store denies access to this node: the node's log has the rights that its user lacks")]
    StoreAccessDenied,
    /// The store has lost tickets, and their holders come first.
    #[error(
        "sale {sale} restores tickets that its store has lost; other buyers are admitted after that: retry after the delay in RetryInfo, with your earlier ticket as previous_ticket if you have one"
    )]
    Restoring {
        /// The sale.
        sale: SaleId,
        /// When other buyers are admitted.
        until: Timestamp,
    },
    /// The store is configured unsuitably.
    #[error("the store is configured unsuitably: the node's log has the remedy")]
    StoreUnsuitable,
    /// A defect.
    #[error("internal error: the node's log has the details")]
    Internal,
}

impl CallError {
    /// An invalid field.
    pub(crate) fn field(field: &'static str, rule: impl Into<String>) -> Self {
        InvalidValue::new(field, rule).into()
    }

    /// A unary call with more than one message.
    pub(crate) fn second_message() -> Self {
        Self::MalformedRequest("there is more than one message".to_owned())
    }

    /// The response of a call that fails with it: everything is in the head.
    pub(crate) fn into_response(self) -> Response<()> {
        let (status, allow) = match self {
            Self::UnsupportedContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Some(POST)),
            _ => (StatusCode::OK, None),
        };
        let mut response = Status::from(self).into_http();
        *response.status_mut() = status;
        if let Some(methods) = allow {
            response.headers_mut().insert(ALLOW, methods);
        }
        response
    }

    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.kind().1
    }

    /// The code of its status.
    pub(crate) const fn code(&self) -> Code {
        self.kind().0
    }

    /// Whether the same call can succeed later, on this node or another.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self.kind().0, Code::Unavailable | Code::DeadlineExceeded)
    }

    const fn kind(&self) -> (Code, &'static str) {
        match self {
            Self::InvalidFields(_) => (Code::InvalidArgument, "INVALID_ARGUMENT"),
            Self::MalformedRequest(_) => (Code::InvalidArgument, "MALFORMED_REQUEST"),
            Self::InvalidTicket(_) => (Code::InvalidArgument, "INVALID_TICKET"),
            Self::MessageTooLarge(_) => (Code::OutOfRange, "MESSAGE_TOO_LARGE"),
            Self::UnsupportedContentType => (Code::InvalidArgument, "UNSUPPORTED_CONTENT_TYPE"),
            Self::MethodNotAllowed => (Code::InvalidArgument, "METHOD_NOT_ALLOWED"),
            Self::UnsupportedCompression(_) => (Code::Unimplemented, "UNSUPPORTED_COMPRESSION"),
            Self::UnknownCall => (Code::Unimplemented, "UNKNOWN_CALL"),
            Self::SaleNotFound(_) => (Code::NotFound, "SALE_NOT_FOUND"),
            Self::TicketUnknown(_) => (Code::NotFound, "TICKET_UNKNOWN"),
            Self::SaleExists(_) => (Code::AlreadyExists, "SALE_EXISTS"),
            Self::VersionConflict { .. } => (Code::Aborted, "VERSION_CONFLICT"),
            Self::SaleClosed | Self::ClosedSaleExists(_) => (Code::FailedPrecondition, "SALE_CLOSED"),
            Self::SaleNotClosed => (Code::FailedPrecondition, "SALE_NOT_CLOSED"),
            Self::SaleBusy { .. } => (Code::FailedPrecondition, "SALE_BUSY"),
            Self::CapBelowHeld { .. } => (Code::FailedPrecondition, "CAP_BELOW_HELD"),
            Self::StockBelowCommitted { .. } => (Code::FailedPrecondition, "STOCK_BELOW_COMMITTED"),
            Self::StockFixed => (Code::FailedPrecondition, "STOCK_FIXED"),
            Self::DurabilityUnavailable(_) => (Code::FailedPrecondition, "DURABILITY_UNAVAILABLE"),
            Self::NotOrdered(_) => (Code::FailedPrecondition, "NOT_ORDERED"),
            Self::DeadlineExceeded => (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            Self::Overloaded => (Code::Unavailable, "OVERLOADED"),
            Self::Draining => (Code::Unavailable, "DRAINING"),
            Self::StoreUnavailable => (Code::Unavailable, "STORE_UNAVAILABLE"),
            Self::StoreRefusesWrites(_) => (Code::Unavailable, "STORE_REFUSES_WRITES"),
            Self::StoreAccessDenied => (Code::Unavailable, "STORE_ACCESS_DENIED"),
            Self::Restoring { .. } => (Code::Unavailable, "RESTORING"),
            Self::StoreUnsuitable => (Code::Unavailable, "STORE_UNSUITABLE"),
            Self::Internal => (Code::Internal, "INTERNAL"),
        }
    }
}

/// The one mapping from errors to statuses.
impl From<CallError> for Status {
    fn from(failure: CallError) -> Self {
        let (code, reason) = failure.kind();
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, []);
        if let CallError::InvalidFields(violations) = &failure {
            for violation in violations {
                details.add_bad_request_violation(violation.field, violation.rule.as_str());
            }
        }
        if code == Code::Unavailable {
            details.set_retry_info(Some(retry_after(&failure)));
        }
        Self::with_error_details(code, failure.to_string(), details)
    }
}

/// The delay before a retry, so that callers do not retry at the same time.
fn retry_after(failure: &CallError) -> Duration {
    let jitter = RETRY_AFTER.mul_f64(rand::random_range(0.5..1.5));
    match failure {
        // A retry before that would be in vain.
        CallError::Restoring { until, .. } => Timestamp::now().until(*until) + jitter / 2,
        _ => jitter,
    }
}

/// The details of a store error are for the operator's log, where the process limits their rate; the caller gets the
/// cause and the remedy.
impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SaleNotFound(sale) => Self::SaleNotFound(sale),
            StoreError::Unavailable(_) => Self::StoreUnavailable,
            StoreError::RefusesWrites(refusal, _) => Self::StoreRefusesWrites(refusal),
            StoreError::AccessDenied(_) => Self::StoreAccessDenied,
            StoreError::Unsuitable(_) => Self::StoreUnsuitable,
            StoreError::Corrupt(_) => Self::Internal,
        }
    }
}

impl From<InvalidValue> for CallError {
    fn from(invalid: InvalidValue) -> Self {
        Self::InvalidFields(vec![invalid])
    }
}

fn list(violations: &[InvalidValue]) -> String {
    violations.iter().map(InvalidValue::to_string).collect::<Vec<_>>().join("; ")
}

const fn durability_remedy(wanted: Durability) -> &'static str {
    match wanted {
        // Every store supports MEMORY.
        Durability::Memory => "connect the node to a store",
        Durability::Fsync => {
            "the store does not confirm writes to its disk: give the node a Redis with `appendonly yes` and `appendfsync always`"
        }
        Durability::Replicated => {
            "the store has no replica to confirm writes: give the node a Redis that a replica follows (`replicaof` there)"
        }
    }
}

const fn refusal_remedy(refusal: WriteRefusal) -> &'static str {
    match refusal {
        WriteRefusal::Full => {
            "the store is full and admits no more buyers: its operator raises `maxmemory` of Redis, or deletes sales that are over"
        }
        WriteRefusal::TooFewReplicas => {
            "the store has too few replicas and refuses writes: its operator brings them back, or lowers `min-replicas-to-write` of Redis"
        }
        WriteRefusal::NotPersisting => {
            "the store cannot write to its disk and refuses writes: its operator frees disk space, and finds the error in the log of Redis"
        }
    }
}

const fn state_name(state: TicketState) -> &'static str {
    match state {
        TicketState::Waiting => "waiting",
        TicketState::Processing => "being processed",
        TicketState::Ordered => "ordered",
        TicketState::Released => "released",
        TicketState::Cancelled => "cancelled",
        TicketState::Rejected => "rejected",
        TicketState::Expired => "expired",
        TicketState::Dead => "dead",
        TicketState::Lost => "lost by the store, until its buyer restores it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unavailable_has_retry_info_and_other_codes_do_not() {
        for failure in [CallError::Overloaded, CallError::Draining, CallError::StoreUnavailable] {
            let status = Status::from(failure);
            let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
            assert!(delay >= RETRY_AFTER / 2 && delay <= RETRY_AFTER * 3 / 2, "{delay:?}");
        }
        let until = Timestamp::now().after(Duration::from_secs(8));
        let restoring = CallError::Restoring { sale: "phone-x".parse().unwrap(), until };
        let delay = Status::from(restoring).get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(delay > Duration::from_secs(7) && delay < Duration::from_secs(9), "{delay:?}");
        assert!(Status::from(CallError::SaleClosed).get_details_retry_info().is_none());
    }

    #[test]
    fn every_invalid_field_is_named_with_its_rule() {
        let fields =
            vec![InvalidValue::new("units", "must be 1 to 9"), InvalidValue::new("payload", "too long")];
        let status = Status::from(CallError::InvalidFields(fields));
        assert_eq!(status.message(), "units: must be 1 to 9; payload: too long");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 2);
        assert_eq!(
            (violations[1].field.as_str(), violations[1].description.as_str()),
            ("payload", "too long")
        );
    }

    #[test]
    fn a_store_that_refuses_writes_is_named_with_its_cause_and_remedy() {
        for (refusal, cause, remedy) in [
            (WriteRefusal::Full, "the store is full", "maxmemory"),
            (WriteRefusal::TooFewReplicas, "too few replicas", "min-replicas-to-write"),
            (WriteRefusal::NotPersisting, "cannot write to its disk", "disk space"),
        ] {
            let error = StoreError::RefusesWrites(refusal, "10.0.0.1".to_owned());
            let status = Status::from(CallError::from(error));
            let text = status.message();
            assert!(text.contains(cause) && text.contains(remedy) && !text.contains("10.0.0.1"), "{text}");
            assert_eq!(status.code(), Code::Unavailable);
            assert!(status.get_details_retry_info().is_some());
            assert_eq!(status.get_details_error_info().unwrap().reason, "STORE_REFUSES_WRITES");
        }
    }

    #[test]
    fn store_error_texts_do_not_reach_callers() {
        let status = Status::from(CallError::from(StoreError::Unavailable("redis://10.0.0.1".to_owned())));
        assert!(!status.message().contains("10.0.0.1"), "{}", status.message());
        assert_eq!(status.get_details_error_info().unwrap().reason, "STORE_UNAVAILABLE");
        let denied = StoreError::AccessDenied("user shop at 10.0.0.1".to_owned());
        assert!(!Status::from(CallError::from(denied)).message().contains("10.0.0.1"));
        assert_eq!(status.get_details_error_info().unwrap().domain, DOMAIN);
    }
}
