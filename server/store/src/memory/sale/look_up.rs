//! Telling where tickets stand.

use inrush_core::{
    store::{LookUp, StoreError},
    ticket::{Seq, Standing},
};

use super::{super::claimed::Stage, End, Sale};

impl Sale {
    pub(in super::super) fn look_up(&self, seqs: &[Seq]) -> Result<LookUp, StoreError> {
        Ok(LookUp {
            epoch: self.epoch,
            measured_pace: self.measured_pace.millitickets_per_second(),
            standings: seqs.iter().map(|&seq| self.standing(seq)).collect::<Result<_, _>>()?,
        })
    }

    /// None for a number never given out.
    pub(super) fn standing(&self, seq: Seq) -> Result<Option<Standing>, StoreError> {
        if seq == 0 || seq > self.line.last_seq() {
            return Ok(None);
        }
        if self.line.is_cancelled(seq) {
            return Ok(Some(Standing::Cancelled));
        }
        if seq > self.line.cursor() {
            return Ok(Some(self.standing_in_line(seq)));
        }
        match self.standing_after_claim(seq) {
            None => Err(StoreError::Corrupt(format!(
                "ticket {seq} of sale {} was claimed and is nowhere",
                self.id
            ))),
            standing => Ok(standing),
        }
    }

    fn standing_in_line(&self, seq: Seq) -> Standing {
        if self.closed {
            Standing::Expired
        } else {
            Standing::Waiting { position: self.line.position(seq), attempted: false }
        }
    }

    fn standing_after_claim(&self, seq: Seq) -> Option<Standing> {
        if let Some(ticket) = self.claimed.get(seq) {
            return Some(match &ticket.stage {
                Stage::Leased { .. } => Standing::Processing,
                Stage::Retrying { .. } => Standing::Waiting { position: 1, attempted: true },
                Stage::Dead { reason } => Standing::Dead { reason: reason.clone() },
            });
        }
        Some(match &self.outcomes.get(&seq)?.end {
            End::Ordered { order_id } => Standing::Ordered { order_id: order_id.clone() },
            End::Released { order_id } => Standing::Released { order_id: order_id.clone() },
            End::Rejected { reason } => Standing::Rejected { reason: reason.clone() },
        })
    }
}
