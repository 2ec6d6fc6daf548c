//! Turns entries into orders and answers: one transaction at a time, each for whatever has arrived meanwhile.
//!
//! There is one batcher for all streams. A hot sale is one row of stock, so transactions side by side would only wait
//! for each other; in one line they share the cost of a commit, and entries are served in the order they came.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    entry::{Entry, StockLookup},
    intake_queue::IntakeQueue,
    order_store::{NewOrder, OrderStore, OrderStoreError, Outcome, Payment},
    provision_stock::provision_stock,
    reply::{Outbox, created, rejected, retry},
    spans::Spans,
    statistics::Statistics,
    stock_lookup::{LookupResult, StockLookups},
};

/// Before the front is asked whether a sold out sale was restocked. It bounds the questions to twenty per second and
/// sale, and an entry that arrives meanwhile is covered by the same question.
const RESTOCK_LOOKUP_DELAY: Duration = Duration::from_millis(50);
/// An unknown sale is reported once; so many are remembered.
const MAX_REPORTED_SALES: usize = 1_024;

const OUT_OF_STOCK: &str = "out_of_stock";
const UNKNOWN_SALE: &str = "unknown_sale";

/// See the module.
pub(crate) struct Batcher {
    /// Where entries come from.
    pub(crate) intake: IntakeQueue,
    /// Where orders are kept.
    pub(crate) store: OrderStore,
    /// Absent without a front.
    pub(crate) stock_lookups: Option<StockLookups>,
    /// The knobs.
    pub(crate) faults: FaultInjection,
    /// What is done is counted here.
    pub(crate) statistics: Statistics,
    /// And seen here.
    pub(crate) spans: Spans,
    /// Cancelled when a shutdown takes too long: whatever is left is answered with retry.
    pub(crate) force_drain: CancellationToken,
    /// Unknown sales that have been reported.
    pub(crate) reported: HashSet<String>,
}

/// How the order system misbehaves, and how long it takes.
pub(crate) struct FaultInjection {
    /// How long an order takes at least.
    pub(crate) latency: Duration,
    /// Share of entries answered with retry.
    pub(crate) failure_rate: f64,
    /// Share of orders that are never paid.
    pub(crate) unpaid_share: f64,
    /// How long they may stay so.
    pub(crate) payment_timeout: Duration,
}

enum Next {
    Received(Vec<Entry>),
    LookedUp(LookupResult, Vec<Entry>),
}

impl Batcher {
    /// Works until the queue is closed and everything is answered.
    pub(crate) async fn run(mut self) {
        let mut open = true;
        while let Some(next) = self.next(open).await {
            match next {
                Next::Received(entries) if entries.is_empty() => open = false,
                Next::Received(entries) => self.process(entries).await,
                Next::LookedUp(result, entries) => self.resume(result, entries).await,
            }
        }
    }

    /// What to do next; `None` when there is nothing left.
    async fn next(&mut self, open: bool) -> Option<Next> {
        let waiting = self.stock_lookups.as_mut().filter(|stock_lookups| !stock_lookups.is_empty());
        match (waiting, open) {
            (None, false) => None,
            (None, true) => Some(Next::Received(self.intake.next().await)),
            (Some(stock_lookups), false) => {
                stock_lookups.next_result().await.map(|(result, entries)| Next::LookedUp(result, entries))
            }
            (Some(stock_lookups), true) => Some(tokio::select! {
                biased;
                Some((result, entries)) = stock_lookups.next_result() => Next::LookedUp(result, entries),
                entries = self.intake.next() => Next::Received(entries),
            }),
        }
    }

    /// Entries that are new here.
    async fn process(&mut self, entries: Vec<Entry>) {
        let mut outbox = Outbox::new(Instant::now() + self.faults.latency);
        let mut batch = Vec::with_capacity(entries.len());
        for entry in entries {
            if self.force_drain.is_cancelled() {
                self.retry(&mut outbox, &entry, "the order system is shutting down");
            } else if rand::random_bool(self.faults.failure_rate) {
                self.retry(&mut outbox, &entry, "the order system fails on purpose (failure_rate)");
            } else if let Some(entry) = self.unless_looking_up(entry) {
                batch.push(entry);
            }
        }
        self.create(batch, outbox).await;
    }

    fn unless_looking_up(&mut self, entry: Entry) -> Option<Entry> {
        match &mut self.stock_lookups {
            Some(stock_lookups) => stock_lookups.enqueue_behind(entry),
            None => Some(entry),
        }
    }

    /// Entries that have waited for the front.
    async fn resume(&mut self, result: LookupResult, entries: Vec<Entry>) {
        let mut outbox = Outbox::new(Instant::now() + self.faults.latency);
        if let Err(error) = apply_lookup(&self.store, &result).await {
            self.retry_all(&mut outbox, &entries, &error);
            outbox.send();
            return;
        }
        self.create(entries, outbox).await;
    }

    /// Creates orders as far as the stock goes and answers, or parks what has to wait for the front.
    async fn create(&mut self, mut entries: Vec<Entry>, mut outbox: Outbox) {
        for entry in &mut entries {
            entry.order.payment = self.payment();
        }
        let orders: Vec<NewOrder> = entries.iter().map(|entry| entry.order.clone()).collect();
        let started = Instant::now();
        let created = self.store.create(&orders).await;
        self.spans.of_transaction(&entries, started.elapsed(), created.as_ref().err());
        match created {
            Ok(outcomes) => {
                for (entry, outcome) in entries.into_iter().zip(outcomes) {
                    self.settle(&mut outbox, entry, outcome);
                }
            }
            Err(error) => self.retry_all(&mut outbox, &entries, &error),
        }
        outbox.send();
    }

    fn payment(&self) -> Payment {
        if rand::random_bool(self.faults.unpaid_share) {
            Payment::Awaited(self.faults.payment_timeout)
        } else {
            Payment::Paid
        }
    }

    fn settle(&mut self, outbox: &mut Outbox, entry: Entry, outcome: Outcome) {
        match (outcome, entry.lookup) {
            (Outcome::Created { order_id, repeated }, _) => {
                self.statistics.created(repeated);
                outbox.add(&entry.reply, entry.order.ticket_id, created(order_id));
            }
            (Outcome::OutOfStock, StockLookup::NotRequested) => {
                self.look_up_or_reject(outbox, entry, RESTOCK_LOOKUP_DELAY, OUT_OF_STOCK);
            }
            (Outcome::UnknownSale, StockLookup::NotRequested) => {
                self.look_up_or_reject(outbox, entry, Duration::ZERO, UNKNOWN_SALE);
            }
            // The database has the last word on stock, with or without the front.
            (Outcome::OutOfStock, StockLookup::Answered | StockLookup::Failed) => {
                self.reject(outbox, entry, OUT_OF_STOCK);
            }
            (Outcome::UnknownSale, StockLookup::Answered) => self.reject(outbox, entry, UNKNOWN_SALE),
            (Outcome::UnknownSale, StockLookup::Failed) => {
                self.retry(outbox, &entry, "the sale's stock is not known yet: the front cannot be asked");
            }
        }
    }

    fn look_up_or_reject(
        &mut self,
        outbox: &mut Outbox,
        entry: Entry,
        pause: Duration,
        reason: &'static str,
    ) {
        match &mut self.stock_lookups {
            Some(stock_lookups) => stock_lookups.request(entry, pause),
            None => self.reject(outbox, entry, reason),
        }
    }

    fn reject(&mut self, outbox: &mut Outbox, entry: Entry, reason: &'static str) {
        if reason == UNKNOWN_SALE {
            self.report_unknown(&entry.order.sale_id);
        }
        self.statistics.rejected();
        outbox.add(&entry.reply, entry.order.ticket_id, rejected(reason));
    }

    fn report_unknown(&mut self, sale_id: &str) {
        if self.reported.len() >= MAX_REPORTED_SALES || !self.reported.insert(sale_id.to_owned()) {
            return;
        }
        match self.stock_lookups {
            Some(_) => warn!(sale_id, "orders are rejected: neither the front nor `stock` knows the sale"),
            None => warn!(
                sale_id,
                "orders are rejected: the sale is unknown; list it under `stock`, or set `front` so that it can be \
                 looked up"
            ),
        }
    }

    fn retry_all(&self, outbox: &mut Outbox, entries: &[Entry], error: &OrderStoreError) {
        error!(%error, entries = entries.len(), "no orders could be created; the entries are to be sent again");
        for entry in entries {
            self.retry(outbox, entry, "the order database is not available");
        }
    }

    fn retry(&self, outbox: &mut Outbox, entry: &Entry, reason: &str) {
        self.statistics.retried();
        outbox.add(&entry.reply, entry.order.ticket_id.clone(), retry(reason));
    }
}

/// Provisions what the front has said.
async fn apply_lookup(store: &OrderStore, result: &LookupResult) -> Result<(), OrderStoreError> {
    let sale_id = result.sale_id.as_str();
    match &result.stock {
        Ok(Some(stock)) => provision_stock(store, sale_id, *stock).await?,
        Ok(None) => {}
        Err(status) => {
            warn!(sale_id, %status, "the front cannot be asked for the stock of a sale; check front");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use inrush_proto::v1::{OrderRequest, order_result::Outcome};
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{Batcher, FaultInjection};
    use crate::{
        database_url::DatabaseUrl,
        entry::Entry,
        intake_queue::IntakeQueue,
        order_store::{OrderStore, SaleStock},
        reply::Reply,
        spans::Spans,
        statistics::Statistics,
    };

    const ENTRIES: usize = 20;

    /// A capacity that would make them wait for most of a minute if the hurry did not end that.
    const CAPACITY: u32 = 1;

    #[tokio::test]
    async fn a_hurried_batcher_answers_everything_and_creates_nothing() {
        let store = OrderStore::open(&DatabaseUrl::memory()).await.unwrap();
        store.provision("shoes", SaleStock::Units(1_000)).await.unwrap();
        let (queue, entries) = mpsc::channel(ENTRIES);
        let (answers, mut outgoing) = mpsc::channel(ENTRIES);
        for seq in 1..=ENTRIES {
            let request = OrderRequest {
                ticket_id: format!("shoes/1/{seq}"),
                sale_id: "shoes".to_owned(),
                seq: seq as u64,
                buyer_id: "buyer".to_owned(),
                units: 1,
                ..OrderRequest::default()
            };
            let entry = Entry::new(request, Reply::new(1, answers.clone())).ok().unwrap();
            queue.try_send(entry).ok().unwrap();
        }
        drop((queue, answers));
        let force_drain = CancellationToken::new();
        force_drain.cancel();
        let batcher = Batcher {
            intake: IntakeQueue::new(entries, CAPACITY, 4, force_drain.clone(), CancellationToken::new()),
            store: store.clone(),
            stock_lookups: None,
            faults: FaultInjection {
                latency: Duration::ZERO,
                failure_rate: 0.0,
                unpaid_share: 0.0,
                payment_timeout: Duration::from_secs(1),
            },
            statistics: Statistics::default(),
            spans: Spans { traces: None, database: DatabaseUrl::memory().kind() },
            force_drain,
            reported: HashSet::new(),
        };
        batcher.run().await;
        let mut retried = 0;
        while let Some(answers) = outgoing.recv().await {
            for result in answers.results {
                assert!(matches!(result.outcome, Some(Outcome::Retry(_))), "{result:?}");
                retried += 1;
            }
        }
        assert_eq!(retried, ENTRIES);
        assert!(store.orders().await.unwrap().is_empty());
    }
}
