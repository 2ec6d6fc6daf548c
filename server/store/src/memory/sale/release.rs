//! Releasing the units of an unpaid order.

use std::mem;

use inrush_core::{
    epochs::TicketRef,
    store::{ReleaseResult, StoreError},
    ticket::TicketStatus,
};

use super::{End, Sale};

impl Sale {
    pub(in super::super) fn release(&mut self, ticket: TicketRef) -> Result<ReleaseResult, StoreError> {
        let Some(status) = self.status(ticket)? else {
            return Ok(ReleaseResult::Unknown);
        };
        // The seq of an adopted ticket may be another ticket's as well.
        let concluded = match self.adopted.get_mut(&ticket) {
            Some(adopted) => Some(adopted),
            None if status == TicketStatus::Lost => None,
            None => self.outcomes.get_mut(&ticket.seq),
        };
        let Some(concluded) = concluded else {
            return Ok(ReleaseResult::NotOrdered(status.state()));
        };
        Ok(match &mut concluded.end {
            End::Ordered { order_id } => {
                concluded.end = End::Released { order_id: mem::take(order_id) };
                self.ledger.ordered.take(concluded.units);
                self.ledger.released.add(concluded.units);
                self.announcements.work |= self.queued() > 0;
                ReleaseResult::Released
            }
            End::Released { .. } => ReleaseResult::AlreadyReleased,
            End::Rejected { .. } => ReleaseResult::NotOrdered(status.state()),
        })
    }
}
