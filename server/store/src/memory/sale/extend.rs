//! Extending a lease.

use inrush_core::{store::LeaseToken, time::Timestamp};

use super::{super::claimed::Stage, Sale};

impl Sale {
    /// An expired lease can be extended as long as it was not reclaimed.
    pub(in super::super) fn extend(&mut self, now: Timestamp, leased: LeaseToken) -> bool {
        let Some(mut ticket) = self.claimed.take_leased(leased) else {
            return false;
        };
        ticket.stage = Stage::Leased { fence: leased.fence, deadline: now.after(self.settings.lease) };
        self.claimed.put(leased.seq, ticket);
        true
    }
}
