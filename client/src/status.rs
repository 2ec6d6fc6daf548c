//! Where a ticket stands.

use std::time::Duration;

use crate::{error::CallError, proto};

/// A ticket's standing at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketStatus {
    /// The ticket's stable, unsigned name, `sale/epoch/seq`: what order systems and support see.
    pub ticket_id: String,
    /// Where it stands.
    pub state: TicketState,
    /// Place in line, 1 being next, cancelled tickets not counted. `None` unless waiting.
    pub position: Option<u64>,
    /// Expected time until the order exists. `None` when unknown or when the state is final.
    pub eta: Option<Duration>,
    /// How long to wait before asking again. `None` when the state is final.
    pub poll_after: Option<Duration>,
    /// The order's id, once there is one.
    pub order_id: Option<String>,
    /// Why, for rejected and dead tickets: a stable word where there is one, else the order system's text.
    pub reason: Option<String>,
}

impl TicketStatus {
    /// The epoch in the ticket's name. It rises whenever the store may have lost history, and positions are
    /// comparable only within one. 0 where the name has none.
    pub fn epoch(&self) -> u64 {
        self.ticket_id.rsplit('/').nth(1).and_then(|epoch| epoch.parse().ok()).unwrap_or_default()
    }

    /// Whether this says the same as `other` in all that a buyer would notice. When to ask again is not part
    /// of it: the server chooses that anew each time.
    pub(crate) fn looks_equal_to(&self, other: &Self) -> bool {
        self.ticket_id == other.ticket_id
            && self.state == other.state
            && self.position == other.position
            && self.eta == other.eta
            && self.order_id == other.order_id
            && self.reason == other.reason
    }

    /// Reads the status that a reply must have.
    pub(crate) fn required(status: Option<proto::TicketStatus>) -> Result<Self, CallError> {
        status.map(Self::from).ok_or_else(|| CallError::malformed("it has no ticket status"))
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

/// What can happen to a ticket.
///
/// WAITING → PROCESSING → ORDERED → RELEASED; WAITING → CANCELLED; WAITING → EXPIRED; PROCESSING → REJECTED;
/// PROCESSING → WAITING (a retry, at the same place); PROCESSING → DEAD, from which an operator brings it back
/// to WAITING or to REJECTED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TicketState {
    /// In line, or in line again after a retry.
    Waiting,
    /// Its order is being created.
    Processing,
    /// Final: an order exists.
    Ordered,
    /// Final: the order was never paid and its units went back.
    Released,
    /// Final: the buyer cancelled while waiting.
    Cancelled,
    /// Final: the order system said no.
    Rejected,
    /// Final: the sale closed while the ticket was waiting.
    Expired,
    /// Every attempt failed; an operator decides. Not final.
    Dead,
    /// A state that this version of the client does not know. Not final.
    Unknown,
}

impl TicketState {
    /// True when following or watching the ticket has nothing more to tell.
    pub fn is_final(self) -> bool {
        match self {
            Self::Ordered | Self::Released | Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::Waiting | Self::Processing | Self::Dead | Self::Unknown => false,
        }
    }

    /// The word the protocol has for it, in capitals, for logs and JSON.
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
        }
    }
}

/// How well an acknowledged place in line is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// In the store's memory; on its disk when the store gets to it.
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

/// A protobuf duration as a standard one; `None` for a negative one, which says nothing useful about waiting.
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
    fn states_of_a_newer_server_are_unknown_and_not_final() {
        let status = TicketStatus::from(proto::TicketStatus { state: 99, ..Default::default() });
        assert_eq!(status.state, TicketState::Unknown);
        assert!(!status.state.is_final());
    }

    #[test]
    fn epoch_of_a_name_without_one_is_zero() {
        for ticket_id in ["", "shoes", "shoes/x/1"] {
            let status = proto::TicketStatus { ticket_id: ticket_id.into(), ..Default::default() };
            assert_eq!(TicketStatus::from(status).epoch(), 0, "{ticket_id}");
        }
    }
}
