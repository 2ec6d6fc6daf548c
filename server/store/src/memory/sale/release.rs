//! Giving the units of an unpaid order back.

use std::mem;

use inrush_core::{
    store::{Release, StoreError},
    ticket::Seq,
};

use super::{End, Sale};

impl Sale {
    pub(in super::super) fn release(&mut self, seq: Seq) -> Result<Release, StoreError> {
        let Some(standing) = self.standing(seq)? else {
            return Ok(Release::Unknown);
        };
        let Some(concluded) = self.outcomes.get_mut(&seq) else {
            return Ok(Release::NotOrdered(standing.state()));
        };
        Ok(match &mut concluded.end {
            End::Ordered { order_id } => {
                concluded.end = End::Released { order_id: mem::take(order_id) };
                self.ledger.ordered.take(concluded.units);
                self.ledger.released.add(concluded.units);
                self.news.work |= self.in_line() > 0;
                Release::Released
            }
            End::Released { .. } => Release::AlreadyReleased,
            End::Rejected { .. } => Release::NotOrdered(standing.state()),
        })
    }
}
