//! Extending a lease.

use inrush_core::{store::LeaseToken, time::Timestamp};

use super::{super::claimed::Stage, Sale};

impl Sale {
    /// An expired lease can be extended as long as it was not reclaimed.
    pub(in super::super) fn extend(&mut self, now: Timestamp, lease_token: LeaseToken) -> bool {
        let Some(mut ticket) = self.claimed.take_leased(lease_token) else {
            return false;
        };
        ticket.stage = Stage::Leased { fence: lease_token.fence, deadline: now.after(self.settings.lease) };
        self.claimed.put(lease_token.seq, ticket);
        true
    }
}
