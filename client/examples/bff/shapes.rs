//! The JSON of the HTTP interface. Times are in milliseconds; unknown values are absent.

use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use inrush_client::{Cancellation, Enqueued, Refusal, RefusalReason, TicketStatus};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The body of an enqueue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnqueueBody {
    #[serde(default = "one")]
    pub(crate) units: u64,
    #[serde(default)]
    pub(crate) payload: String,
}

impl EnqueueBody {
    /// Parses a request body; an empty one requests one unit.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self { units: one(), payload: String::new() });
        }
        serde_json::from_slice(body).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "BAD_BODY",
                format!("the body is not a body in JSON: {error}"),
            )
        })
    }
}

fn one() -> u64 {
    1
}

/// The outcome of an enqueue.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum EnqueuedShape {
    Queued {
        ticket: String,
        repeated: bool,
        status: StatusShape,
    },
    Refused {
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        open_time_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unit_limit: Option<u64>,
    },
    Bypass,
}

impl From<Enqueued> for EnqueuedShape {
    fn from(enqueued: Enqueued) -> Self {
        match enqueued {
            Enqueued::Queued { ticket, status, repeated, durability: _ } => {
                Self::Queued { ticket: ticket.as_str().to_owned(), repeated, status: status.into() }
            }
            Enqueued::Refused(Refusal { reason, retry_after }) => {
                let (open_time_ms, unit_limit) = match reason {
                    RefusalReason::NotOpen { open_time } => (open_time.and_then(since_epoch), None),
                    RefusalReason::UnitLimit { unit_limit } => (None, Some(unit_limit)),
                    _ => (None, None),
                };
                let retry_after_ms = retry_after.map(millis);
                Self::Refused { reason: reason.as_str(), retry_after_ms, open_time_ms, unit_limit }
            }
            Enqueued::Bypass => Self::Bypass,
        }
    }
}

/// The status of a ticket.
#[derive(Debug, Serialize)]
pub(crate) struct StatusShape {
    ticket_id: String,
    state: &'static str,
    #[serde(rename = "final")]
    is_final: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<TicketStatus> for StatusShape {
    fn from(status: TicketStatus) -> Self {
        Self {
            ticket_id: status.ticket_id,
            state: status.state.as_str(),
            is_final: status.state.is_final(),
            position: status.position,
            eta_ms: status.eta.map(millis),
            poll_after_ms: status.poll_after.map(millis),
            order_id: status.order_id,
            reason: status.reason,
        }
    }
}

/// The outcome of a cancellation.
#[derive(Debug, Serialize)]
pub(crate) struct CancellationShape {
    cancelled: bool,
    status: StatusShape,
}

impl From<Cancellation> for CancellationShape {
    fn from(cancellation: Cancellation) -> Self {
        match cancellation {
            Cancellation::Cancelled(status) => Self { cancelled: true, status: status.into() },
            Cancellation::TooLate(status) => Self { cancelled: false, status: status.into() },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn since_epoch(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(millis)
}
