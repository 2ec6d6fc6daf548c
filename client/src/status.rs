//! The status of a ticket.

use std::time::Duration;

use crate::{error::CallError, proto};

/// The status of a ticket at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketStatus {
    /// The stable, unsigned id of the ticket, `sale/epoch/seq`, which order systems and support use.
    pub ticket_id: String,
    /// Its state.
    pub state: TicketState,
    /// The position in the queue, from 1, without cancelled tickets. `None` unless waiting.
    pub position: Option<u64>,
    /// The expected time until the order exists. `None` if unknown or if the state is final.
    pub eta: Option<Duration>,
    /// The interval until the next poll. `None` if the state is final.
    pub poll_after: Option<Duration>,
    /// The id of the order, once it exists.
    pub order_id: Option<String>,
    /// The reason, for rejected and dead tickets: a stable word if there is one, else the order system's
    /// text.
    pub reason: Option<String>,
}

impl TicketStatus {
    /// The epoch in the ticket id. It rises whenever the store may have lost history, and positions are
    /// comparable only within one epoch. 0 if the id has none.
    pub fn epoch(&self) -> u64 {
        self.ticket_id.rsplit('/').nth(1).and_then(|epoch| epoch.parse().ok()).unwrap_or_default()
    }

    /// Whether both look the same to a buyer. `poll_after` is ignored: the server sends a new one each time.
    pub(crate) fn looks_equal_to(&self, other: &Self) -> bool {
        self.ticket_id == other.ticket_id
            && self.state == other.state
            && self.position == other.position
            && self.eta == other.eta
            && self.order_id == other.order_id
            && self.reason == other.reason
    }

    /// The status of a reply, which must have one.
    pub(crate) fn required(status: Option<proto::TicketStatus>) -> Result<Self, CallError> {
        status.map(Self::from).ok_or_else(|| CallError::malformed("no ticket status"))
    }
}

impl From<proto::TicketStatus> for TicketStatus {
    fn from(status: proto::TicketStatus) -> Self {
        let state = TicketState::from(status.state());
        Self {
            state,
            position: (status.position > 0).then_some(status.position),
            eta: status.eta.and_then(duration),
            poll_after: status.poll_after.and_then(duration),
            order_id: non_empty(status.order_id),
            reason: non_empty(status.reason),
            ticket_id: status.ticket_id,
        }
    }
}

/// The state of a ticket.
///
/// WAITING → PROCESSING → ORDERED → RELEASED; WAITING → CANCELLED; WAITING → EXPIRED; PROCESSING → REJECTED;
/// PROCESSING → WAITING (a retry, with the same seq); PROCESSING → DEAD, which an operator turns into WAITING
/// or REJECTED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TicketState {
    /// In the queue, also again after a retry.
    Waiting,
    /// Its order is being created.
    Processing,
    /// Final: an order exists.
    Ordered,
    /// Final: the order was never paid and its units were returned.
    Released,
    /// Final: the buyer cancelled while waiting.
    Cancelled,
    /// Final: the order system rejected it.
    Rejected,
    /// Final: the sale closed while the ticket was waiting.
    Expired,
    /// Out of attempts; an operator decides. Not final.
    Dead,
    /// The server's store has lost it. Not final: [`Client::restore`](crate::Client::restore) gets it back.
    Lost,
    /// A state unknown to this version of the client. Not final.
    Unknown,
}

impl TicketState {
    /// Whether following or watching the ticket ends with this state.
    pub fn is_final(self) -> bool {
        match self {
            Self::Ordered | Self::Released | Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::Waiting | Self::Processing | Self::Dead | Self::Lost | Self::Unknown => false,
        }
    }

    /// The name in the protocol, in capitals, for logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Processing => "PROCESSING",
            Self::Ordered => "ORDERED",
            Self::Released => "RELEASED",
            Self::Cancelled => "CANCELLED",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Dead => "DEAD",
            Self::Lost => "LOST",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl From<proto::TicketState> for TicketState {
    fn from(state: proto::TicketState) -> Self {
        match state {
            proto::TicketState::Unspecified => Self::Unknown,
            proto::TicketState::Waiting => Self::Waiting,
            proto::TicketState::Processing => Self::Processing,
            proto::TicketState::Ordered => Self::Ordered,
            proto::TicketState::Released => Self::Released,
            proto::TicketState::Cancelled => Self::Cancelled,
            proto::TicketState::Rejected => Self::Rejected,
            proto::TicketState::Expired => Self::Expired,
            proto::TicketState::Dead => Self::Dead,
            proto::TicketState::Lost => Self::Lost,
        }
    }
}

/// The durability of an acknowledged ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// In the store's memory, and on its disk some time later.
    Memory,
    /// On the store's disk before the answer was sent.
    Fsync,
    /// In the memory of a second server before the answer was sent.
    Replicated,
}

impl From<proto::Durability> for Durability {
    fn from(durability: proto::Durability) -> Self {
        match durability {
            proto::Durability::Unspecified | proto::Durability::Memory => Self::Memory,
            proto::Durability::Fsync => Self::Fsync,
            proto::Durability::Replicated => Self::Replicated,
        }
    }
}

/// A protobuf duration as a standard one; `None` if it is negative.
pub(crate) fn duration(duration: prost_types::Duration) -> Option<Duration> {
    Duration::try_from(duration).ok()
}

/// Protobuf has no absent string: empty means absent.
fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_empty_become_absent() {
        let status = TicketStatus::from(proto::TicketStatus {
            ticket_id: "shoes/3/17".into(),
            state: proto::TicketState::Processing.into(),
            ..Default::default()
        });
        assert_eq!(status.epoch(), 3);
        assert_eq!(status.state, TicketState::Processing);
        assert_eq!((status.position, status.eta, status.order_id, status.reason), (None, None, None, None));
    }

    #[test]
    fn negative_durations_are_absent() {
        let negative = prost_types::Duration { seconds: -3, nanos: 0 };
        let status = TicketStatus::from(proto::TicketStatus { eta: Some(negative), ..Default::default() });
        assert_eq!(status.eta, None);
    }

    #[test]
    fn unknown_states_are_not_final() {
        let status = TicketStatus::from(proto::TicketStatus { state: 99, ..Default::default() });
        assert_eq!(status.state, TicketState::Unknown);
        assert!(!status.state.is_final());
    }

    #[test]
    fn the_epoch_of_an_id_without_one_is_zero() {
        for ticket_id in ["", "shoes", "shoes/x/1"] {
            let status = proto::TicketStatus { ticket_id: ticket_id.into(), ..Default::default() };
            assert_eq!(TicketStatus::from(status).epoch(), 0, "{ticket_id}");
        }
    }
}
