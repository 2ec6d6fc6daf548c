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
    entry::{Entry, FrontWord},
    front_client::Front,
    order_store::SaleStock,
};

/// Waiting entries by sale, and the open questions.
pub(crate) struct Parking {
    front: Front,
    entries: HashMap<String, Vec<Entry>>,
    questions: FuturesUnordered<BoxFuture<'static, Answer>>,
}

/// What the front said about a sale.
pub(crate) struct Answer {
    pub(crate) sale_id: String,
    /// `None` when the front does not know the sale.
    pub(crate) stock: Result<Option<SaleStock>, Status>,
    asked: Instant,
}

impl Parking {
    /// Empty.
    pub(crate) fn new(front: Front) -> Self {
        Self { front, entries: HashMap::new(), questions: FuturesUnordered::new() }
    }

    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// Keeps an entry whose sale is being asked about, and gives any other back.
    pub(crate) fn join(&mut self, entry: Entry) -> Option<Entry> {
        match self.entries.get_mut(&entry.order.sale_id) {
            Some(waiting) => {
                waiting.push(entry);
                None
            }
            None => Some(entry),
        }
    }

    /// Keeps an entry and, after `pause`, has the front asked about its sale.
    pub(crate) fn ask(&mut self, entry: Entry, pause: Duration) {
        let Some(entry) = self.join(entry) else { return };
        let sale_id = entry.order.sale_id.clone();
        self.questions.push(ask(self.front.clone(), sale_id.clone(), pause).boxed());
        self.entries.insert(sale_id, vec![entry]);
    }

    /// The next answer, and the entries that have waited for it. Nothing is lost when the call is given up halfway.
    /// `None` when nothing waits.
    pub(crate) async fn answered(&mut self) -> Option<(Answer, Vec<Entry>)> {
        let answer = self.questions.next().await?;
        let mut entries = self.entries.remove(&answer.sale_id).unwrap_or_default();
        for entry in &mut entries {
            entry.word = match &answer.stock {
                Ok(_) if entry.arrived <= answer.asked => FrontWord::Given,
                // The stock may have been raised between the question and this entry.
                Ok(_) => FrontWord::NotAsked,
                Err(_) => FrontWord::Missing,
            };
        }
        Some((answer, entries))
    }
}

async fn ask(front: Front, sale_id: String, pause: Duration) -> Answer {
    tokio::time::sleep(pause).await;
    let asked = Instant::now();
    let stock = front.stock(&sale_id).await;
    Answer { sale_id, stock, asked }
}
