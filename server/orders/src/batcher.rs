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
    entry::{Entry, FrontWord},
    intake_queue::Intake,
    order_store::{BookError, NewOrder, OrderBook, Outcome, Payment},
    provision_stock::provision,
    reply::{Outbox, created, rejected, retry},
    spans::Spans,
    statistics::Statistics,
    stock_lookup::{Answer, Parking},
};

/// Before the front is asked whether a sold out sale was restocked. It bounds the questions to twenty per second and
/// sale, and an entry that arrives meanwhile is covered by the same question.
const RESTOCK_PAUSE: Duration = Duration::from_millis(50);
/// An unknown sale is reported once; so many are remembered.
const REPORTED_SALES: usize = 1_024;

const OUT_OF_STOCK: &str = "out_of_stock";
const UNKNOWN_SALE: &str = "unknown_sale";

/// See the module.
pub(crate) struct Batcher {
    /// Where entries come from.
    pub(crate) intake: Intake,
    /// Where orders are kept.
    pub(crate) book: OrderBook,
    /// Absent without a front.
    pub(crate) parking: Option<Parking>,
    /// The knobs.
    pub(crate) knobs: Knobs,
    /// What is done is counted here.
    pub(crate) statistics: Statistics,
    /// And seen here.
    pub(crate) spans: Spans,
    /// Cancelled when a shutdown takes too long: whatever is left is answered with retry.
    pub(crate) hurry: CancellationToken,
    /// Unknown sales that have been reported.
    pub(crate) reported: HashSet<String>,
}

/// How the order system misbehaves, and how long it takes.
pub(crate) struct Knobs {
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
    Taken(Vec<Entry>),
    Answered(Answer, Vec<Entry>),
}

impl Batcher {
    /// Works until the queue is closed and everything is answered.
    pub(crate) async fn run(mut self) {
        let mut open = true;
        while let Some(next) = self.next(open).await {
            match next {
                Next::Taken(entries) if entries.is_empty() => open = false,
                Next::Taken(entries) => self.take_up(entries).await,
                Next::Answered(answer, entries) => self.resume(answer, entries).await,
            }
        }
    }

    /// What to do next; `None` when there is nothing left.
    async fn next(&mut self, open: bool) -> Option<Next> {
        let waiting = self.parking.as_mut().filter(|parking| !parking.is_empty());
        match (waiting, open) {
            (None, false) => None,
            (None, true) => Some(Next::Taken(self.intake.next().await)),
            (Some(parking), false) => {
                parking.answered().await.map(|(answer, entries)| Next::Answered(answer, entries))
            }
            (Some(parking), true) => Some(tokio::select! {
                biased;
                Some((answer, entries)) = parking.answered() => Next::Answered(answer, entries),
                entries = self.intake.next() => Next::Taken(entries),
            }),
        }
    }

    /// Entries that are new here.
    async fn take_up(&mut self, entries: Vec<Entry>) {
        let mut outbox = Outbox::new(Instant::now() + self.knobs.latency);
        let mut batch = Vec::with_capacity(entries.len());
        for entry in entries {
            if self.hurry.is_cancelled() {
                self.retry(&mut outbox, &entry, "the order system is shutting down");
            } else if rand::random_bool(self.knobs.failure_rate) {
                self.retry(&mut outbox, &entry, "the order system fails on purpose (failure_rate)");
            } else if let Some(entry) = self.unless_parked(entry) {
                batch.push(entry);
            }
        }
        self.create(batch, outbox).await;
    }

    fn unless_parked(&mut self, entry: Entry) -> Option<Entry> {
        match &mut self.parking {
            Some(parking) => parking.join(entry),
            None => Some(entry),
        }
    }

    /// Entries that have waited for the front.
    async fn resume(&mut self, answer: Answer, entries: Vec<Entry>) {
        let mut outbox = Outbox::new(Instant::now() + self.knobs.latency);
        if let Err(error) = learn(&self.book, &answer).await {
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
        let created = self.book.create(&orders).await;
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
        if rand::random_bool(self.knobs.unpaid_share) {
            Payment::Awaited(self.knobs.payment_timeout)
        } else {
            Payment::Paid
        }
    }

    fn settle(&mut self, outbox: &mut Outbox, entry: Entry, outcome: Outcome) {
        match (outcome, entry.word) {
            (Outcome::Created { order_id, repeated }, _) => {
                self.statistics.created(repeated);
                outbox.add(&entry.reply, entry.order.ticket_id, created(order_id));
            }
            (Outcome::OutOfStock, FrontWord::NotAsked) => {
                self.ask_or_reject(outbox, entry, RESTOCK_PAUSE, OUT_OF_STOCK);
            }
            (Outcome::UnknownSale, FrontWord::NotAsked) => {
                self.ask_or_reject(outbox, entry, Duration::ZERO, UNKNOWN_SALE);
            }
            // The database has the last word on stock, with or without the front.
            (Outcome::OutOfStock, FrontWord::Given | FrontWord::Missing) => {
                self.reject(outbox, entry, OUT_OF_STOCK);
            }
            (Outcome::UnknownSale, FrontWord::Given) => self.reject(outbox, entry, UNKNOWN_SALE),
            (Outcome::UnknownSale, FrontWord::Missing) => {
                self.retry(outbox, &entry, "the sale's stock is not known yet: the front cannot be asked");
            }
        }
    }

    fn ask_or_reject(&mut self, outbox: &mut Outbox, entry: Entry, pause: Duration, reason: &'static str) {
        match &mut self.parking {
            Some(parking) => parking.ask(entry, pause),
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
        if self.reported.len() >= REPORTED_SALES || !self.reported.insert(sale_id.to_owned()) {
            return;
        }
        match self.parking {
            Some(_) => warn!(sale_id, "orders are rejected: neither the front nor `stock` knows the sale"),
            None => warn!(
                sale_id,
                "orders are rejected: the sale is unknown; list it under `stock`, or set `front` so that it can be \
                 looked up"
            ),
        }
    }

    fn retry_all(&self, outbox: &mut Outbox, entries: &[Entry], error: &BookError) {
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
async fn learn(book: &OrderBook, answer: &Answer) -> Result<(), BookError> {
    let sale_id = answer.sale_id.as_str();
    match &answer.stock {
        Ok(Some(stock)) => provision(book, sale_id, *stock).await?,
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

    use super::{Batcher, Knobs};
    use crate::{
        database_url::DatabaseUrl,
        entry::Entry,
        intake_queue::Intake,
        order_store::{OrderBook, SaleStock},
        reply::Reply,
        spans::Spans,
        statistics::Statistics,
    };

    const ENTRIES: usize = 20;

    /// A capacity that would make them wait for most of a minute if the hurry did not end that.
    const CAPACITY: u32 = 1;

    #[tokio::test]
    async fn a_hurried_batcher_answers_everything_and_creates_nothing() {
        let book = OrderBook::open(&DatabaseUrl::memory()).await.unwrap();
        book.provision("shoes", SaleStock::Units(1_000)).await.unwrap();
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
        let hurry = CancellationToken::new();
        hurry.cancel();
        let batcher = Batcher {
            intake: Intake::new(entries, CAPACITY, 4, hurry.clone(), CancellationToken::new()),
            book: book.clone(),
            parking: None,
            knobs: Knobs {
                latency: Duration::ZERO,
                failure_rate: 0.0,
                unpaid_share: 0.0,
                payment_timeout: Duration::from_secs(1),
            },
            statistics: Statistics::default(),
            spans: Spans { traces: None, database: DatabaseUrl::memory().kind() },
            hurry,
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
        assert!(book.orders().await.unwrap().is_empty());
    }
}
