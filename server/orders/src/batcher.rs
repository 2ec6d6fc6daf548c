//! Turns entries into orders and answers: one transaction at a time, each for the entries that arrived during
//! the one before.
//!
//! There is one batcher for all streams. A hot sale is one row of stock, so parallel transactions would only
//! wait for each other; one after the other they share the cost of a commit, and entries are handled in the
//! order of arrival.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use inrush_proto::v1::order_result;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{error, warn};

use crate::{
    entry::{Entry, StockLookup},
    front_client::FrontSale,
    intake_queue::IntakeQueue,
    order_store::{NewOrder, OrderStore, OrderStoreError, Outcome, Payment, SaleKey, SaleStock, TicketOwner},
    provision_stock::provision_stock,
    reply::{Outbox, created, rejected, retry},
    spans::Spans,
    statistics::Statistics,
    stock_lookup::{LookupResult, StockLookups},
};

/// The delay before the stock of a sold-out sale is looked up again: it may have been restocked. It limits
/// lookups to twenty per second and sale; an entry that arrives within it is covered by the same lookup.
const RESTOCK_LOOKUP_DELAY: Duration = Duration::from_millis(50);
/// An unknown sale is logged once, up to this many.
const MAX_REPORTED_SALES: usize = 1_024;
/// The interval between warnings about failed stock lookups, of which there can be thousands per second.
const LOOKUP_WARNING_INTERVAL: Duration = Duration::from_secs(10);
/// Sales that are remembered as provisioned; a forgotten one is provisioned again, which changes nothing.
const MAX_PROVISIONED_SALES: usize = 1_024;

const OUT_OF_STOCK: &str = "out_of_stock";
const UNKNOWN_SALE: &str = "unknown_sale";
const TICKET_CONFLICT: &str = "ticket_conflict";
const ALREADY_ORDERED: &str = "already_ordered";

/// See the module.
pub(crate) struct Batcher {
    /// The source of entries.
    pub(crate) intake: IntakeQueue,
    /// The order database.
    pub(crate) store: OrderStore,
    /// `None` without a front.
    pub(crate) stock_lookups: Option<StockLookups>,
    /// Injected latency and failures.
    pub(crate) faults: FaultInjection,
    /// The counters.
    pub(crate) statistics: Statistics,
    /// The spans of transactions.
    pub(crate) spans: Spans,
    /// Cancelled when a shutdown takes too long: the remaining entries are answered with retry.
    pub(crate) force_drain: CancellationToken,
    /// The units of each creation of these sales.
    pub(crate) stock: BTreeMap<String, u64>,
    /// Creations of these sales that have their units.
    pub(crate) provisioned: HashSet<SaleKey>,
    /// Unknown sales that were logged.
    pub(crate) reported: HashSet<String>,
    /// When a failed stock lookup was logged last.
    pub(crate) lookup_warned: Option<Instant>,
}

/// Latency and failures that the order system injects, to behave like a real one.
pub(crate) struct FaultInjection {
    /// The minimum time that an order takes.
    pub(crate) latency: Duration,
    /// The share of entries answered with retry.
    pub(crate) failure_rate: f64,
    /// The share of orders that are never paid.
    pub(crate) unpaid_share: f64,
    /// The time until an unpaid order is released.
    pub(crate) payment_timeout: Duration,
}

enum Next {
    Received(Vec<Entry>),
    LookedUp(LookupResult, Vec<Entry>),
}

impl Batcher {
    /// Runs until the queue is closed and every entry is answered.
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

    /// The next step; `None` when nothing is left.
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

    /// Handles entries that have just arrived.
    async fn process(&mut self, entries: Vec<Entry>) {
        let mut outbox = Outbox::new(Instant::now() + self.faults.latency);
        let mut batch = Vec::with_capacity(entries.len());
        for entry in entries {
            if self.force_drain.is_cancelled() {
                self.retry(&mut outbox, &entry, "order system is shutting down");
            } else if rand::random_bool(self.faults.failure_rate) {
                self.retry(&mut outbox, &entry, "injected failure (failure_rate)");
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

    /// Handles entries whose stock lookup has ended.
    async fn resume(&mut self, result: LookupResult, entries: Vec<Entry>) {
        let mut outbox = Outbox::new(Instant::now() + self.faults.latency);
        if let Err(status) = &result.found {
            self.report_failed_lookup(&result.sale.sale_id, status);
        }
        if let Err(error) = apply_lookup(&self.store, &result).await {
            self.retry_all(&mut outbox, &entries, &error);
            outbox.send();
            return;
        }
        self.create(entries, outbox).await;
    }

    /// Creates orders as far as the stock goes and answers them. Entries that need a stock lookup wait for
    /// it.
    async fn create(&mut self, mut entries: Vec<Entry>, mut outbox: Outbox) {
        for entry in &mut entries {
            entry.order.payment = self.payment();
        }
        if let Err(error) = self.provision_configured(&entries).await {
            self.retry_all(&mut outbox, &entries, &error);
            outbox.send();
            return;
        }
        let orders: Vec<NewOrder> = entries.iter().map(|entry| entry.order.clone()).collect();
        let started = Instant::now();
        let created = self.store.create_each(&orders).await;
        let error = created.iter().find_map(|result| result.as_ref().err());
        self.spans.of_transaction(&entries, started.elapsed(), error.map(|error| &**error));
        if let Some(error) = error {
            let failed = entries.iter().zip(&created).filter(|(_, result)| result.is_err());
            let ticket_id = failed.clone().next().map(|(entry, _)| &entry.order.ticket_id);
            error!(%error, entries = failed.count(), ticket_id, "creating orders failed; entries answered with retry");
        }
        for (entry, result) in entries.into_iter().zip(created) {
            match result {
                Ok(outcome) => self.settle(&mut outbox, entry, outcome),
                Err(error) => self.retry(&mut outbox, &entry, retry_reason(&error)),
            }
        }
        outbox.send();
    }

    /// Gives new creations of the sales in `stock` their units.
    async fn provision_configured(&mut self, entries: &[Entry]) -> Result<(), OrderStoreError> {
        for Entry { order: NewOrder { sale, .. }, .. } in entries {
            let Some(&units) = self.stock.get(&sale.sale_id) else { continue };
            if self.provisioned.contains(sale) {
                continue;
            }
            provision_stock(&self.store, sale, SaleStock::Units(units)).await?;
            if self.provisioned.len() == MAX_PROVISIONED_SALES {
                self.provisioned.clear();
            }
            self.provisioned.insert(sale.clone());
        }
        Ok(())
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
                answer(outbox, &entry, created(order_id));
            }
            (Outcome::TicketTaken(owner), _) => self.reject_ticket_conflict(outbox, &entry, &owner),
            (Outcome::AlreadyOrdered { ticket_id }, _) => {
                let order = &entry.order;
                warn!(
                    ticket_id = order.ticket_id,
                    buyer_id = order.buyer_id,
                    ordered_ticket_id = ticket_id,
                    "buyer has a live order of this sale by another ticket; entry rejected"
                );
                self.statistics.buyer_conflict();
                self.reject(outbox, &entry, ALREADY_ORDERED);
            }
            (Outcome::OutOfStock, StockLookup::NotRequested) => {
                self.look_up_or_reject(outbox, entry, RESTOCK_LOOKUP_DELAY, OUT_OF_STOCK);
            }
            (Outcome::UnknownSale, StockLookup::NotRequested) => {
                self.look_up_or_reject(outbox, entry, Duration::ZERO, UNKNOWN_SALE);
            }
            (Outcome::OutOfStock, StockLookup::Answered) => self.reject(outbox, &entry, OUT_OF_STOCK),
            (Outcome::UnknownSale, StockLookup::Answered) => self.reject(outbox, &entry, UNKNOWN_SALE),
            // The stock may have been raised. A rejection would be final.
            (Outcome::OutOfStock | Outcome::UnknownSale, StockLookup::Failed) => {
                self.retry(
                    outbox,
                    &entry,
                    "stock of the sale is unknown: the front does not answer, or not with the sale",
                );
            }
        }
    }

    /// A final answer: a retry would block the ticket until it is dead, and `created` would show the order to another buyer.
    fn reject_ticket_conflict(&mut self, outbox: &mut Outbox, entry: &Entry, owner: &TicketOwner) {
        let NewOrder { ticket_id, buyer_id, units, .. } = &entry.order;
        error!(
            ticket_id,
            buyer_id,
            units,
            ordered_by = owner.buyer_id,
            ordered_units = owner.units,
            "ticket has an order of another buyer or of other units; entry rejected: the queue has issued the ticket \
             twice, as after a store that lost its history; check the store"
        );
        self.statistics.ticket_conflict();
        self.reject(outbox, entry, TICKET_CONFLICT);
    }

    fn look_up_or_reject(
        &mut self,
        outbox: &mut Outbox,
        entry: Entry,
        delay: Duration,
        reason: &'static str,
    ) {
        match &mut self.stock_lookups {
            Some(stock_lookups) => stock_lookups.request(entry, delay),
            None => self.reject(outbox, &entry, reason),
        }
    }

    fn reject(&mut self, outbox: &mut Outbox, entry: &Entry, reason: &'static str) {
        if reason == UNKNOWN_SALE {
            self.report_unknown(&entry.order.sale.sale_id);
        }
        self.statistics.rejected();
        answer(outbox, entry, rejected(reason));
    }

    fn report_unknown(&mut self, sale_id: &str) {
        if self.reported.len() >= MAX_REPORTED_SALES || !self.reported.insert(sale_id.to_owned()) {
            return;
        }
        match self.stock_lookups {
            Some(_) => {
                warn!(sale_id, "unknown sale; orders rejected: the front does not have it, nor does `stock`");
            }
            None => warn!(
                sale_id,
                "unknown sale; orders rejected: add it to `stock`, or set `front` to look it up"
            ),
        }
    }

    fn report_failed_lookup(&mut self, sale_id: &str, status: &Status) {
        let now = Instant::now();
        if self.lookup_warned.is_none_or(|last| now.duration_since(last) >= LOOKUP_WARNING_INTERVAL) {
            self.lookup_warned = Some(now);
            warn!(
                sale_id, %status,
                "stock lookup at the front failed; entries that the known stock has no units for are answered with retry"
            );
        }
    }

    fn retry_all(&self, outbox: &mut Outbox, entries: &[Entry], error: &OrderStoreError) {
        error!(%error, entries = entries.len(), "provisioning stock failed; entries answered with retry");
        for entry in entries {
            self.retry(outbox, entry, retry_reason(error));
        }
    }

    fn retry(&self, outbox: &mut Outbox, entry: &Entry, reason: &str) {
        self.statistics.retried();
        answer(outbox, entry, retry(reason));
    }
}

fn answer(outbox: &mut Outbox, entry: &Entry, outcome: order_result::Outcome) {
    outbox.add(&entry.reply, entry.order.ticket_id.clone(), entry.order.attempt, outcome);
}

fn retry_reason(error: &OrderStoreError) -> &'static str {
    if error.is_of_data() { "order database refuses this entry" } else { "order database unavailable" }
}

/// Provisions the stock that the front returned.
async fn apply_lookup(store: &OrderStore, result: &LookupResult) -> Result<(), OrderStoreError> {
    let Ok(Some(FrontSale { created_at, stock })) = result.found else { return Ok(()) };
    // Perhaps another creation than the one that the entries name: they then stay without stock.
    let sale = SaleKey { created_at, ..result.sale.clone() };
    provision_stock(store, &sale, stock).await
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, HashSet},
        time::Duration,
    };

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

    /// So low that the entries would wait for most of a minute if the drain were not forced.
    const CAPACITY: u32 = 1;

    #[tokio::test]
    async fn a_forced_drain_answers_every_entry_and_creates_no_order() {
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
            stock: BTreeMap::new(),
            provisioned: HashSet::new(),
            reported: HashSet::new(),
            lookup_warned: None,
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
