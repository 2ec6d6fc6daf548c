//! Looks up the stock of sales at the front, while their entries wait.
//!
//! There is at most one lookup per sale at a time. Entries that arrive during it wait behind those already
//! waiting, so that the order of arrival is kept.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use tonic::Status;

use crate::{
    entry::{Entry, StockLookup},
    front_client::{FrontClient, FrontSale},
    order_store::SaleKey,
};

/// Waiting entries by sale, and the lookups in flight.
pub(crate) struct StockLookups {
    front: FrontClient,
    entries: HashMap<SaleKey, Vec<Entry>>,
    lookups: FuturesUnordered<BoxFuture<'static, LookupResult>>,
}

/// The result of a lookup.
pub(crate) struct LookupResult {
    pub(crate) sale: SaleKey,
    /// The sale of this name that the front has; `None` if there can be none.
    pub(crate) found: Result<Option<FrontSale>, Status>,
    requested_at: Instant,
}

impl StockLookups {
    /// No lookups.
    pub(crate) fn new(front: FrontClient) -> Self {
        Self { front, entries: HashMap::new(), lookups: FuturesUnordered::new() }
    }

    /// Whether no lookup is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.lookups.is_empty()
    }

    /// Queues an entry whose sale is being looked up, and returns any other.
    pub(crate) fn enqueue_behind(&mut self, entry: Entry) -> Option<Entry> {
        match self.entries.get_mut(&entry.order.sale) {
            Some(waiting) => {
                waiting.push(entry);
                None
            }
            None => Some(entry),
        }
    }

    /// Queues an entry and, after `delay`, looks its sale up.
    pub(crate) fn request(&mut self, entry: Entry, delay: Duration) {
        let Some(entry) = self.enqueue_behind(entry) else { return };
        let sale = entry.order.sale.clone();
        self.lookups.push(request(self.front.clone(), sale.clone(), delay).boxed());
        self.entries.insert(sale, vec![entry]);
    }

    /// The next result, and the entries that waited for it; `None` if no lookup is in flight. Cancel safe.
    pub(crate) async fn next_result(&mut self) -> Option<(LookupResult, Vec<Entry>)> {
        let result = self.lookups.next().await?;
        let mut entries = self.entries.remove(&result.sale).unwrap_or_default();
        for entry in &mut entries {
            entry.lookup = match &result.found {
                Ok(_) if entry.arrived <= result.requested_at => StockLookup::Answered,
                // The stock may have been raised between the request and the arrival of this entry.
                Ok(_) => StockLookup::NotRequested,
                Err(_) => StockLookup::Failed,
            };
        }
        Some((result, entries))
    }
}

async fn request(front: FrontClient, sale: SaleKey, delay: Duration) -> LookupResult {
    tokio::time::sleep(delay).await;
    let requested_at = Instant::now();
    let found = front.sale(&sale.sale_id).await;
    LookupResult { sale, found, requested_at }
}
