//! The status of a ticket as a protocol message.

use std::time::Duration;

use inrush_core::{TicketId, TicketStatus, poll_policy};
use inrush_proto::v1;

use crate::service::convert::{duration, ticket_state};

/// The position that stands for a dead ticket, which waits for an operator: its poll interval is the longest.
const DEAD_POSITION: u64 = u64::MAX >> 12;

/// The status message of a ticket. `measured_pace` is in thousandths of tickets per second.
pub(crate) fn ticket_status(ticket: &TicketId, status: TicketStatus, measured_pace: u64) -> v1::TicketStatus {
    let state = status.state();
    let mut message = v1::TicketStatus {
        ticket_id: ticket.to_string(),
        state: ticket_state(state).into(),
        poll_after: poll_after(&status, measured_pace).map(duration),
        ..v1::TicketStatus::default()
    };
    match status {
        TicketStatus::Waiting { position, attempted: _ } => {
            message.position = position;
            message.eta = poll_policy::eta(position, measured_pace).map(duration);
        }
        TicketStatus::Ordered { order_id } | TicketStatus::Released { order_id } => {
            message.order_id = order_id;
        }
        TicketStatus::Rejected { reason } | TicketStatus::Dead { reason } => message.reason = reason,
        TicketStatus::Processing | TicketStatus::Cancelled | TicketStatus::Expired => {}
    }
    message
}

/// When to poll again; `None` once the state is final.
pub(crate) fn poll_after(status: &TicketStatus, measured_pace: u64) -> Option<Duration> {
    let position = match status {
        TicketStatus::Waiting { position, attempted: _ } => *position,
        // Its order is being created: as near as can be.
        TicketStatus::Processing => 1,
        TicketStatus::Dead { .. } => DEAD_POSITION,
        TicketStatus::Ordered { .. }
        | TicketStatus::Released { .. }
        | TicketStatus::Cancelled
        | TicketStatus::Rejected { .. }
        | TicketStatus::Expired => return None,
    };
    Some(poll_policy::poll_after(position, measured_pace, rand::random()))
}
