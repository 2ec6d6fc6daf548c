//! A ticket: its seq, its id, its states and the transitions between them.

use std::{fmt, str::FromStr};

use crate::sale::SaleId;

/// The number of a ticket in its sale: 1, 2, 3 …, never reused within an epoch.
pub type Seq = u64;

/// The largest seq a sale can reach. It bounds the store's index of cancelled tickets.
pub const MAX_SEQ: Seq = 1 << 32;

/// A ticket's stable name, written `sale/epoch/seq`. It is not signed: it names a ticket and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId {
    /// The sale it belongs to.
    pub sale: SaleId,
    /// The sale's epoch when the ticket was issued.
    pub epoch: u64,
    /// Its seq.
    pub seq: Seq,
}

/// Text that is no ticket id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ticket id is written sale/epoch/seq, for example phone-x/1700000000000/42")]
pub struct InvalidTicketId;

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.sale, self.epoch, self.seq)
    }
}

impl FromStr for TicketId {
    type Err = InvalidTicketId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '/');
        let (Some(sale), Some(epoch), Some(seq)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidTicketId);
        };
        let id = Self {
            sale: sale.parse().map_err(|_| InvalidTicketId)?,
            epoch: epoch.parse().map_err(|_| InvalidTicketId)?,
            seq: seq.parse().map_err(|_| InvalidTicketId)?,
        };
        if id.seq == 0 || id.seq > MAX_SEQ || id.to_string() != text {
            return Err(InvalidTicketId);
        }
        Ok(id)
    }
}

/// The state of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// Waiting for a claim, or for another one after a retry.
    Waiting,
    /// Claimed under a lease.
    Processing,
    /// An order exists.
    Ordered,
    /// The order was never paid; its units were returned.
    Released,
    /// Cancelled by the buyer while waiting.
    Cancelled,
    /// Rejected by the order system, or discarded by an operator.
    Rejected,
    /// Waiting when the sale closed.
    Expired,
    /// Out of attempts, held for an operator.
    Dead,
    /// Forgotten by the store. Its buyer can restore it.
    Lost,
}

impl TicketState {
    /// Whether the transition from `self` to `next` exists.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        use TicketState::{Cancelled, Dead, Expired, Lost, Ordered, Processing, Rejected, Released, Waiting};
        match self {
            Waiting => matches!(next, Processing | Cancelled | Expired),
            Processing => matches!(next, Ordered | Rejected | Waiting | Dead),
            Ordered => matches!(next, Released),
            Dead => matches!(next, Waiting | Rejected),
            Lost => matches!(next, Waiting),
            Released | Cancelled | Rejected | Expired => false,
        }
    }

    /// Whether the state is final: it does not change unless an order goes unpaid.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Ordered | Self::Released | Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::Waiting | Self::Processing | Self::Dead | Self::Lost => false,
        }
    }

    /// Whether the buyer cannot get a new ticket because of this one. In a sale with stock an ordered ticket holds its units
    /// and stays the buyer's only one; in a sale without stock a buyer with an order may enqueue again.
    #[must_use]
    pub const fn is_live(self, has_stock: bool) -> bool {
        match self {
            Self::Waiting | Self::Processing | Self::Dead => true,
            Self::Ordered => has_stock,
            Self::Released | Self::Cancelled | Self::Rejected | Self::Expired | Self::Lost => false,
        }
    }
}

/// The state of a ticket, with its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketStatus {
    /// Waiting.
    Waiting {
        /// Waiting tickets ahead plus one, cancelled ones not counted.
        position: u64,
        /// Whether an order has been tried already; then it is too late to cancel.
        attempted: bool,
    },
    /// Under a lease.
    Processing,
    /// With an order.
    Ordered {
        /// The order's id.
        order_id: String,
    },
    /// Released.
    Released {
        /// The id of the order that was never paid.
        order_id: String,
    },
    /// Cancelled.
    Cancelled,
    /// Rejected.
    Rejected {
        /// Why.
        reason: String,
    },
    /// The sale closed before it was claimed.
    Expired,
    /// Held for an operator.
    Dead {
        /// Why the last attempt failed.
        reason: String,
    },
    /// Forgotten by the store.
    Lost,
}

impl TicketStatus {
    /// The state without its details.
    #[must_use]
    pub const fn state(&self) -> TicketState {
        match self {
            Self::Waiting { .. } => TicketState::Waiting,
            Self::Processing => TicketState::Processing,
            Self::Ordered { .. } => TicketState::Ordered,
            Self::Released { .. } => TicketState::Released,
            Self::Cancelled => TicketState::Cancelled,
            Self::Rejected { .. } => TicketState::Rejected,
            Self::Expired => TicketState::Expired,
            Self::Dead { .. } => TicketState::Dead,
            Self::Lost => TicketState::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_ids_are_read_as_they_are_written() {
        let id: TicketId = "phone-x/1700000000000/42".parse().unwrap();
        assert_eq!((id.sale.as_str(), id.epoch, id.seq), ("phone-x", 1_700_000_000_000, 42));
        assert_eq!(id.to_string(), "phone-x/1700000000000/42");
    }

    #[test]
    fn what_is_no_ticket_id_is_refused() {
        for text in
            ["", "a", "a/1", "a/1/0", "a/1/x", "A/1/1", "a/01/1", "a/1/+1", "a/1/1/1", "a/1/99999999999"]
        {
            assert_eq!(text.parse::<TicketId>(), Err(InvalidTicketId), "{text:?}");
        }
    }

    #[test]
    fn final_states_lead_nowhere_but_to_released() {
        use TicketState::*;
        let all = [Waiting, Processing, Ordered, Released, Cancelled, Rejected, Expired, Dead, Lost];
        for from in all.into_iter().filter(|state| state.is_final()) {
            for to in all {
                assert_eq!(from.can_become(to), (from, to) == (Ordered, Released), "{from:?} → {to:?}");
            }
        }
    }
}
