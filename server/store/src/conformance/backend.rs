//! What the suite needs of the store under test.

use std::sync::Arc;

use async_trait::async_trait;
use inrush_core::{sale::SaleId, store::Store, time::ManualClock};

/// The servers of the store under test.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// An empty store that takes its time from `clock`.
    async fn empty_store(&self, clock: &ManualClock) -> Arc<dyn Store>;

    /// Drops what the servers cache between calls (scripts, for example). No caller may see a difference.
    async fn flush_caches(&self) {}

    /// Keeps the state of all sales, for [`Self::roll_back`].
    async fn checkpoint(&self);

    /// Forgets everything since the last checkpoint, as when older data is put back by hand.
    async fn roll_back(&self);

    /// Begins another history, as a restart or a failover does.
    async fn restart(&self);

    /// Names of everything stored whose name contains `part`; empty for a store that has no names to list.
    async fn keys_with(&self, part: &str) -> Vec<String>;

    /// An id, beginning with `name`, of a sale that lives on the same server as `sale`: what one server announces arrives
    /// in order.
    async fn neighbour_of(&self, sale: &SaleId, name: &str) -> SaleId;
}
