//! Changing a sale's settings.

use inrush_core::{sale::SaleSettings, store::ConfigureResult, time::Timestamp};

use super::{super::pace::TokenBucket, Announcements, Sale};

impl Sale {
    pub(in super::super) fn configure(
        &mut self,
        now: Timestamp,
        settings: &SaleSettings,
        version: u64,
    ) -> ConfigureResult {
        if self.closed {
            return ConfigureResult::Closed;
        }
        if self.version != version {
            return ConfigureResult::Conflict(Some(self.snapshot(now)));
        }
        let held = self.ledger.occupied_units(settings.has_stock());
        // Reconciled orders may hold more, which is no reason to refuse a change of something else.
        let (cap, stock) = (self.settings.effective_cap(), self.settings.stock.unwrap_or(u64::MAX));
        if held > settings.effective_cap() && (settings.effective_cap() < cap || self.reconciled.units == 0) {
            return ConfigureResult::CapBelowHeld { held };
        }
        let committed = self.ledger.committed_units();
        if settings
            .stock
            .is_some_and(|wanted| committed > wanted && (wanted < stock || self.reconciled.units == 0))
        {
            return ConfigureResult::StockBelowCommitted { committed };
        }
        if settings.pace != self.settings.pace {
            self.bucket = settings.pace.map(|pace| TokenBucket::full(pace, now));
        }
        self.settings = settings.clone();
        self.version += 1;
        self.announcements = Announcements { admission: true, work: self.ledger.waiting.tickets > 0 };
        ConfigureResult::Done(self.snapshot(now))
    }
}
