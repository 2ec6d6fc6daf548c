//! The status of tickets.

use inrush_core::{
    epochs::{Place, TicketRef},
    store::{LookUpReply, StoreError},
    ticket::{Seq, TicketStatus},
};

use super::{super::claimed::Stage, Concluded, End, Sale};

impl Sale {
    pub(in super::super) fn look_up(&self, tickets: &[TicketRef]) -> Result<LookUpReply, StoreError> {
        Ok(LookUpReply {
            measured_pace: self.measured_pace.millitickets_per_second(),
            statuses: tickets.iter().map(|&ticket| self.status(ticket)).collect::<Result<_, _>>()?,
        })
    }

    /// `None` for a ticket that this sale never gave.
    pub(super) fn status(&self, ticket: TicketRef) -> Result<Option<TicketStatus>, StoreError> {
        match self.place_of(ticket) {
            Place::Known => {}
            Place::Lost => {
                return Ok(Some(self.adopted_outcome(ticket).map_or(TicketStatus::Lost, concluded_status)));
            }
            Place::Foreign | Place::Ahead => return Ok(None),
        }
        let seq = ticket.seq;
        if self.queue.is_cancelled(seq) {
            let cancelled = TicketStatus::Cancelled;
            return Ok(Some(self.outcomes.get(&seq).map_or(cancelled, concluded_status)));
        }
        if seq > self.queue.cursor() {
            return Ok(Some(self.status_in_queue(seq)));
        }
        match self.status_after_claim(seq) {
            None => Err(StoreError::Corrupt(format!(
                "ticket {seq} of sale {} was claimed and is missing",
                self.id
            ))),
            status => Ok(status),
        }
    }

    fn status_in_queue(&self, seq: Seq) -> TicketStatus {
        if self.closed {
            TicketStatus::Expired
        } else {
            TicketStatus::Waiting { position: self.queue.position(&self.epochs, seq), attempted: false }
        }
    }

    fn status_after_claim(&self, seq: Seq) -> Option<TicketStatus> {
        if let Some(ticket) = self.claimed.get(seq) {
            return Some(match &ticket.stage {
                Stage::Leased { .. } => TicketStatus::Processing,
                Stage::Retrying { .. } => TicketStatus::Waiting { position: 1, attempted: true },
                Stage::Dead { reason } => TicketStatus::Dead { reason: reason.clone() },
            });
        }
        self.outcomes.get(&seq).map(concluded_status)
    }
}

fn concluded_status(concluded: &Concluded) -> TicketStatus {
    match &concluded.end {
        End::Ordered { order_id } => TicketStatus::Ordered { order_id: order_id.clone() },
        End::Released { order_id } => TicketStatus::Released { order_id: order_id.clone() },
        End::Rejected { reason } => TicketStatus::Rejected { reason: reason.clone() },
    }
}
