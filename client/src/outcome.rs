//! The outcomes of calls: queued, refused or bypass; cancelled or too late.

use std::time::{Duration, SystemTime};

use crate::{
    error::CallError,
    proto::{self, enqueue_response::Outcome},
    status::{Durability, TicketStatus, duration},
    ticket::{Ticket, TicketRequest},
};

/// The outcome of an enqueue. All three are values, not errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// The buyer is in the queue.
    Queued {
        /// The ticket, for every later call.
        ticket: Ticket,
        /// Its status.
        status: TicketStatus,
        /// True if the buyer had this ticket before this call (also when it was created by a failed attempt
        /// of the same call).
        repeated: bool,
        /// The durability that was reached.
        durability: Durability,
    },
    /// The buyer is not in the queue. An immediate repeat will not help.
    Refused(Refusal),
    /// This sale does not queue at present: use the normal purchase flow.
    Bypass,
}

impl Enqueued {
    pub(crate) fn from_reply(reply: proto::EnqueueResponse) -> Result<Self, CallError> {
        match reply.outcome {
            Some(Outcome::Queued(queued)) => Ok(Self::Queued {
                durability: queued.durability().into(),
                status: TicketStatus::required(queued.status)?,
                repeated: queued.repeated,
                ticket: queued.ticket.into(),
            }),
            Some(Outcome::Refused(refused)) => Ok(Self::Refused(refused.into())),
            Some(Outcome::Bypass(proto::Bypass {})) => Ok(Self::Bypass),
            None => Err(CallError::malformed("no outcome")),
        }
    }

    /// The ticket, if there is one, remembers what it was requested with.
    pub(crate) fn requested_with(self, request: TicketRequest) -> Self {
        match self {
            Self::Queued { ticket, status, repeated, durability } => {
                Self::Queued { ticket: ticket.with_request(request), status, repeated, durability }
            }
            Self::Refused(_) | Self::Bypass => self,
        }
    }
}

/// The reason why a buyer is not in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: RefusalReason,
    /// The earliest time at which a repeat can succeed, if there is one.
    pub retry_after: Option<Duration>,
}

impl From<proto::Refused> for Refusal {
    fn from(refused: proto::Refused) -> Self {
        let reason = match refused.reason() {
            proto::RefusalReason::Unspecified => RefusalReason::Unknown,
            proto::RefusalReason::SoldOut => RefusalReason::SoldOut,
            proto::RefusalReason::NotOpen => RefusalReason::NotOpen {
                open_time: refused.open_time.and_then(|time| SystemTime::try_from(time).ok()),
            },
            proto::RefusalReason::Closed => RefusalReason::Closed,
            proto::RefusalReason::Held => RefusalReason::Held,
            proto::RefusalReason::UnitLimit => RefusalReason::UnitLimit { unit_limit: refused.unit_limit },
        };
        Self { reason, retry_after: refused.retry_after.and_then(duration) }
    }
}

/// Reasons for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// Fewer units are left than requested. Units may come back: a later repeat can succeed.
    SoldOut,
    /// The sale is not open yet.
    NotOpen {
        /// The time at which it opens.
        open_time: Option<SystemTime>,
    },
    /// The sale is closed.
    Closed,
    /// An operator has put admission on hold.
    Held,
    /// More units were requested than one ticket may have.
    UnitLimit {
        /// The maximum for one ticket.
        unit_limit: u64,
    },
    /// A reason unknown to this version of the client.
    Unknown,
}

impl RefusalReason {
    /// The name in the protocol, in capitals, for logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SoldOut => "SOLD_OUT",
            Self::NotOpen { .. } => "NOT_OPEN",
            Self::Closed => "CLOSED",
            Self::Held => "HELD",
            Self::UnitLimit { .. } => "UNIT_LIMIT",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The outcome of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// The ticket is cancelled, by this call or an earlier one, and its units are free.
    Cancelled(TicketStatus),
    /// Too late; the status shows why.
    TooLate(TicketStatus),
}

impl Cancellation {
    pub(crate) fn from_reply(reply: proto::CancelResponse) -> Result<Self, CallError> {
        let status = TicketStatus::required(reply.status)?;
        Ok(if reply.cancelled { Self::Cancelled(status) } else { Self::TooLate(status) })
    }

    /// The status of the ticket in either case.
    pub fn status(&self) -> &TicketStatus {
        match self {
            Self::Cancelled(status) | Self::TooLate(status) => status,
        }
    }
}

/// The error of one ticket in [`Client::poll_many`](crate::Client::poll_many).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({reason})")]
pub struct TicketError {
    /// The stable reason of the error that [`Client::poll`](crate::Client::poll) would return.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl TicketError {
    /// Whether the ticket may be found later, as in [`CallError::is_transient`](crate::CallError::is_transient).
    pub fn is_transient(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "OVERLOADED"
                | "DRAINING"
                | "STORE_UNAVAILABLE"
                | "STORE_REFUSES_WRITES"
                | "STORE_ACCESS_DENIED"
                | "STORE_UNSUITABLE"
                | "DEADLINE_EXCEEDED"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: i32) -> proto::Refused {
        proto::Refused { reason, unit_limit: 2, ..Default::default() }
    }

    #[test]
    fn errors_of_tickets_are_transient_where_those_of_calls_are() {
        let is_transient =
            |reason: &str| TicketError { reason: reason.to_owned(), message: String::new() }.is_transient();
        for reason in ["OVERLOADED", "DRAINING", "STORE_UNAVAILABLE", "STORE_UNSUITABLE", "DEADLINE_EXCEEDED"]
        {
            assert!(is_transient(reason), "{reason}");
        }
        for reason in ["INVALID_TICKET", "TICKET_UNKNOWN", "SALE_NOT_FOUND", "INTERNAL", ""] {
            assert!(!is_transient(reason), "{reason}");
        }
    }

    #[test]
    fn refusals_carry_the_details_of_their_reason() {
        let opens = prost_types::Timestamp { seconds: 60, nanos: 0 };
        let not_open =
            proto::Refused { open_time: Some(opens), ..refused(proto::RefusalReason::NotOpen.into()) };
        let open_time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        assert_eq!(Refusal::from(not_open).reason, RefusalReason::NotOpen { open_time });
        let limit = Refusal::from(refused(proto::RefusalReason::UnitLimit.into()));
        assert_eq!(limit.reason, RefusalReason::UnitLimit { unit_limit: 2 });
        assert_eq!(Refusal::from(refused(77)).reason, RefusalReason::Unknown);
    }

    #[test]
    fn replies_without_an_outcome_are_errors() {
        let error = Enqueued::from_reply(proto::EnqueueResponse { outcome: None }).unwrap_err();
        assert!(error.to_string().contains("no outcome"), "{error}");
        let headless = Outcome::Queued(proto::Queued { ticket: "t".into(), ..Default::default() });
        let error = Enqueued::from_reply(proto::EnqueueResponse { outcome: Some(headless) }).unwrap_err();
        assert!(error.to_string().contains("no ticket status"), "{error}");
    }
}
