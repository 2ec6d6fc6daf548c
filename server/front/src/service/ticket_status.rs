//! Where a ticket stands, in the words of the protocol.

use std::time::Duration;

use inrush_core::{TicketId, TicketStatus, poll_policy};
use inrush_proto::v1;

use crate::service::convert::{duration, ticket_state};

/// A dead ticket waits for a person: it is polled as seldom as possible.
const FAR_AWAY: u64 = u64::MAX >> 12;

/// What a ticket's holder is told. `measured_pace` is in thousandths of tickets per second.
pub(crate) fn ticket_status(
    ticket: &TicketId,
    standing: TicketStatus,
    measured_pace: u64,
) -> v1::TicketStatus {
    let state = standing.state();
    let mut status = v1::TicketStatus {
        ticket_id: ticket.to_string(),
        state: ticket_state(state).into(),
        poll_after: poll_after(&standing, measured_pace).map(duration),
        ..v1::TicketStatus::default()
    };
    match standing {
        TicketStatus::Waiting { position, attempted: _ } => {
            status.position = position;
            status.eta = poll_policy::eta(position, measured_pace).map(duration);
        }
        TicketStatus::Ordered { order_id } | TicketStatus::Released { order_id } => {
            status.order_id = order_id
        }
        TicketStatus::Rejected { reason } | TicketStatus::Dead { reason } => status.reason = reason,
        TicketStatus::Processing | TicketStatus::Cancelled | TicketStatus::Expired => {}
    }
    status
}

/// When to look again; never once the state is final.
pub(crate) fn poll_after(standing: &TicketStatus, measured_pace: u64) -> Option<Duration> {
    let position = match standing {
        TicketStatus::Waiting { position, attempted: _ } => *position,
        // Its order is being created: it is as near as can be.
        TicketStatus::Processing => 1,
        TicketStatus::Dead { .. } => FAR_AWAY,
        TicketStatus::Ordered { .. }
        | TicketStatus::Released { .. }
        | TicketStatus::Cancelled
        | TicketStatus::Rejected { .. }
        | TicketStatus::Expired => return None,
    };
    Some(poll_policy::poll_after(position, measured_pace, rand::random()))
}
