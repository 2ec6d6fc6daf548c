//! Where entries wait while the front is asked about the stock of their sale.
//!
//! There is at most one question per sale at a time, and entries that arrive meanwhile wait behind those that are there
//! already, so that the line keeps its order.

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
    front_client::FrontClient,
    order_store::SaleStock,
};

/// Waiting entries by sale, and the open questions.
pub(crate) struct StockLookups {
    front: FrontClient,
    entries: HashMap<String, Vec<Entry>>,
    lookups: FuturesUnordered<BoxFuture<'static, LookupResult>>,
}

/// What the front said about a sale.
pub(crate) struct LookupResult {
    pub(crate) sale_id: String,
    /// `None` when the front does not know the sale.
    pub(crate) stock: Result<Option<SaleStock>, Status>,
    requested_at: Instant,
}

impl StockLookups {
    /// Empty.
    pub(crate) fn new(front: FrontClient) -> Self {
        Self { front, entries: HashMap::new(), lookups: FuturesUnordered::new() }
    }

    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lookups.is_empty()
    }

    /// Keeps an entry whose sale is being asked about, and gives any other back.
    pub(crate) fn enqueue_behind(&mut self, entry: Entry) -> Option<Entry> {
        match self.entries.get_mut(&entry.order.sale_id) {
            Some(waiting) => {
                waiting.push(entry);
                None
            }
            None => Some(entry),
        }
    }

    /// Keeps an entry and, after `pause`, has the front asked about its sale.
    pub(crate) fn request(&mut self, entry: Entry, pause: Duration) {
        let Some(entry) = self.enqueue_behind(entry) else { return };
        let sale_id = entry.order.sale_id.clone();
        self.lookups.push(request(self.front.clone(), sale_id.clone(), pause).boxed());
        self.entries.insert(sale_id, vec![entry]);
    }

    /// The next answer, and the entries that have waited for it. Nothing is lost when the call is given up halfway.
    /// `None` when nothing waits.
    pub(crate) async fn next_result(&mut self) -> Option<(LookupResult, Vec<Entry>)> {
        let result = self.lookups.next().await?;
        let mut entries = self.entries.remove(&result.sale_id).unwrap_or_default();
        for entry in &mut entries {
            entry.lookup = match &result.stock {
                Ok(_) if entry.arrived <= result.requested_at => StockLookup::Answered,
                // The stock may have been raised between the question and this entry.
                Ok(_) => StockLookup::NotRequested,
                Err(_) => StockLookup::Failed,
            };
        }
        Some((result, entries))
    }
}

async fn request(front: FrontClient, sale_id: String, pause: Duration) -> LookupResult {
    tokio::time::sleep(pause).await;
    let requested_at = Instant::now();
    let stock = front.stock(&sale_id).await;
    LookupResult { sale_id, stock, requested_at }
}
