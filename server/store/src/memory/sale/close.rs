//! Closing a sale for good.

use std::mem;

use inrush_core::{ledger::Count, sale::SaleSnapshot, time::Timestamp};

use super::{Announcements, Sale};

impl Sale {
    /// Tickets that were never claimed expire, all together: the ledger has their count. A repeat changes nothing.
    pub(in super::super) fn close(&mut self, now: Timestamp) -> SaleSnapshot {
        if !self.closed {
            self.closed = true;
            self.version += 1;
            let retrying = self.ledger.retrying;
            let waiting = mem::replace(&mut self.ledger.waiting, retrying);
            self.ledger.expired =
                Count { tickets: waiting.tickets - retrying.tickets, units: waiting.units - retrying.units };
        }
        self.announcements = Announcements { admission: true, work: self.ledger.retrying.tickets > 0 };
        self.snapshot(now)
    }
}
