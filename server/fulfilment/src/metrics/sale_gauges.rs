//! Gauges of sales: values from the store, cached so that a scrape does not wait for the store.
//!
//! The values are refreshed along with the probes that fulfilment makes anyway, for busy sales every few
//! seconds. An idle sale is not read again until it is announced. Of sales that were never active, only as
//! many are read as fill half of the labelled series: ten thousand idle sales cost nothing, and an operator
//! still sees the few sales of a shop before they open. Every fulfilment exports the same values, some
//! seconds apart.
//!
//! A closed sale with nothing left to do is not exported. A sale that was not probed for [`EVICTION_TIMEOUT`]
//! is removed, since the sweep probes every sale that exists.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use inrush_core::{SaleId, SaleSnapshot, Store, StoreError, sale::from_milli, store::Backlog};
use inrush_telemetry::{LabelLimiter, MetricDef, Metrics, OTHER_LABEL, Observer};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::oldest_waiting::OldestWaiting;

/// A sale is read at most once in this interval, however often it is probed.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// A sale that was not probed for this long was deleted: longer than a pass of the sweep over a hundred
/// thousand sales.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(3600);

/// A gauge of sales: its definition, its value, and how the values of sales without series of their own are
/// merged.
struct GaugeDef {
    metric: MetricDef,
    value: fn(&CachedSale, Instant) -> Option<f64>,
    merge: fn(f64, f64) -> f64,
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    value: fn(&CachedSale, Instant) -> Option<f64>,
) -> GaugeDef {
    GaugeDef { metric: MetricDef::gauge(name, unit, &["sale"], help), value, merge: sum }
}

const GAUGES: [GaugeDef; 9] = [
    gauge(
        "inrush.waiting_tickets",
        "{ticket}",
        "Waiting tickets, including those that wait for a retry",
        |cached, _| Some(cached.waiting_tickets),
    ),
    gauge("inrush.waiting_units", "{unit}", "Units of the waiting tickets", |cached, _| {
        Some(cached.waiting_units)
    }),
    GaugeDef {
        merge: f64::max,
        ..gauge(
            "inrush.oldest_waiting",
            "s",
            "Age of the oldest waiting ticket that was never claimed: too high by up to one probe interval, too low right \
             after a start of fulfilment",
            |cached, now| Some(cached.oldest_waiting.age(now).as_secs_f64()),
        )
    },
    gauge(
        "inrush.leased_tickets",
        "{ticket}",
        "Leased tickets, over all fulfilment processes",
        |cached, _| Some(cached.in_flight),
    ),
    gauge(
        "inrush.retrying_tickets",
        "{ticket}",
        "Waiting tickets that were claimed before and wait for a retry",
        |cached, _| Some(cached.retrying),
    ),
    gauge(
        "inrush.dead_tickets",
        "{ticket}",
        "Dead tickets: all attempts failed, and an operator must redrive or discard them",
        |cached, _| Some(cached.dead),
    ),
    gauge(
        "inrush.free_units",
        "{unit}",
        "Units of stock that no ticket or order holds; absent for a sale without stock",
        |cached, _| cached.free_units,
    ),
    gauge(
        "inrush.ledger_imbalance",
        "",
        "Tickets and units by which the ledger of the sale is out of balance; anything but 0 is a defect",
        |cached, _| Some(cached.ledger_imbalance),
    ),
    gauge("inrush.claim_rate", "", "Measured rate of claimed tickets per second", |cached, _| {
        Some(cached.pace)
    }),
];

/// The gauges defined here.
pub(crate) fn metric_defs() -> Vec<MetricDef> {
    GAUGES.iter().map(|gauge| gauge.metric).collect()
}

/// The gauges of all sales. Clones share them.
#[derive(Clone)]
pub(crate) struct SaleGauges {
    cache: Arc<Mutex<Cache>>,
    labels: LabelLimiter,
}

#[derive(Debug, Default)]
struct Cache {
    sales: HashMap<SaleId, CachedSale>,
    /// Finished sales, which are not exported, with the time of their last probe.
    finished: HashMap<SaleId, Instant>,
    /// Sales to be read, since they have changed.
    dirty: HashSet<SaleId>,
}

/// The last values read of a sale.
#[derive(Debug)]
struct CachedSale {
    refreshed_at: Instant,
    probed_at: Instant,
    waiting_tickets: f64,
    waiting_units: f64,
    in_flight: f64,
    retrying: f64,
    dead: f64,
    free_units: Option<f64>,
    ledger_imbalance: f64,
    pace: f64,
    oldest_waiting: OldestWaiting,
}

impl SaleGauges {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let gauges = Self { cache: Arc::default(), labels: metrics.label_limiter().clone() };
        for gauge in GAUGES {
            let (gauges, metric) = (gauges.clone(), gauge.metric);
            metrics.gauge(&metric, move |observer| gauges.export(&gauge, Instant::now(), observer));
        }
        gauges
    }

    /// A sale was announced. One that was never read stays unread: most announcements are of sales without
    /// any value to export.
    pub(crate) fn on_announcement(&self, sale: &SaleId) {
        let mut cache = self.cache();
        if cache.sales.contains_key(sale) {
            cache.dirty.insert(sale.clone());
        }
    }

    /// A probe has returned this backlog.
    pub(crate) fn on_probe(&self, sale: &SaleId, backlog: &Backlog) {
        if backlog.waiting + backlog.in_flight + backlog.dead > 0 {
            self.mark_dirty(sale);
        }
    }

    /// A sale has changed.
    pub(crate) fn mark_dirty(&self, sale: &SaleId) {
        self.cache().dirty.insert(sale.clone());
    }

    /// Reads a sale that has changed or is active, unless it was read just now. If the store fails, the
    /// values stay as they are.
    pub(crate) async fn refresh(&self, store: &dyn Store, sale: &SaleId) {
        let now = Instant::now();
        if !self.cache().needs_refresh(sale, self.labels.max() / 2, now) {
            return;
        }
        match store.sale(sale).await {
            Ok(snapshot) => self.update(&snapshot, now),
            Err(StoreError::SaleNotFound(_)) => self.remove(sale),
            Err(_) => self.mark_dirty(sale),
        }
    }

    fn update(&self, snapshot: &SaleSnapshot, now: Instant) {
        if is_finished(snapshot) {
            self.remove(&snapshot.id);
            self.cache().finished.insert(snapshot.id.clone(), now);
            return;
        }
        self.labels.touch(snapshot.id.as_str());
        let mut cache = self.cache();
        cache.finished.remove(&snapshot.id);
        let oldest_waiting = cache
            .sales
            .remove(&snapshot.id)
            .map_or_else(OldestWaiting::default, |cached| cached.oldest_waiting);
        cache.sales.insert(snapshot.id.clone(), CachedSale::of(snapshot, oldest_waiting, now));
    }

    /// Removes a sale that no longer exists.
    pub(crate) fn remove(&self, sale: &SaleId) {
        let mut cache = self.cache();
        cache.sales.remove(sale);
        cache.finished.remove(sale);
        cache.dirty.remove(sale);
    }

    fn export(&self, gauge: &GaugeDef, now: Instant, observer: &Observer<'_, f64>) {
        let mut other: Option<f64> = None;
        let mut cache = self.cache();
        cache.evict_stale(now);
        for (sale, cached) in &cache.sales {
            let Some(value) = (gauge.value)(cached, now) else { continue };
            if self.labels.contains(sale.as_str()) {
                observer.observe(value, &[("sale", sale.as_str())]);
            } else {
                other = Some(other.map_or(value, |sum| (gauge.merge)(sum, value)));
            }
        }
        if let Some(value) = other {
            observer.observe(value, &[("sale", OTHER_LABEL)]);
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock()
    }
}

impl Cache {
    /// Sales that were never active are read until `max_idle` are cached. The dirty mark is removed before
    /// the read, so that changes during the read are not missed.
    fn needs_refresh(&mut self, sale: &SaleId, max_idle: usize, now: Instant) -> bool {
        let has_room = self.sales.len() < max_idle;
        if let Some(cached) = self.sales.get_mut(sale) {
            cached.probed_at = now;
            return now >= cached.refreshed_at + MIN_REFRESH_INTERVAL
                && (self.dirty.remove(sale) || cached.is_active());
        }
        let is_finished = self.finished.get_mut(sale).map(|probed_at| *probed_at = now).is_some();
        self.dirty.remove(sale) || (has_room && !is_finished)
    }

    fn evict_stale(&mut self, now: Instant) {
        let is_recent = |probed_at: Instant| now.saturating_duration_since(probed_at) < EVICTION_TIMEOUT;
        self.sales.retain(|_, cached| is_recent(cached.probed_at));
        self.finished.retain(|_, probed_at| is_recent(*probed_at));
    }
}

impl CachedSale {
    fn is_active(&self) -> bool {
        self.waiting_tickets + self.in_flight > 0.0
    }

    fn of(snapshot: &SaleSnapshot, mut oldest_waiting: OldestWaiting, now: Instant) -> Self {
        let ledger = &snapshot.ledger;
        // Behind the cursor of an empty queue there may be seqs that were set aside.
        let is_empty = ledger.waiting.tickets == ledger.retrying.tickets;
        let cursor = if is_empty { snapshot.last_seq } else { snapshot.cursor };
        oldest_waiting.record(snapshot.last_seq, cursor, now);
        let stock = snapshot.settings.stock;
        Self {
            refreshed_at: now,
            probed_at: now,
            waiting_tickets: number(ledger.waiting.tickets),
            waiting_units: number(ledger.waiting.units),
            in_flight: number(ledger.in_flight.tickets),
            retrying: number(ledger.retrying.tickets),
            dead: number(ledger.dead.tickets),
            free_units: stock.map(|stock| number(ledger.free_units(stock, true))),
            ledger_imbalance: number(ledger.imbalance()),
            pace: from_milli(snapshot.measured_pace),
            oldest_waiting,
        }
    }
}

/// Closed, with no ticket waiting, in flight or dead.
fn is_finished(snapshot: &SaleSnapshot) -> bool {
    let ledger = &snapshot.ledger;
    let unfinished = ledger.waiting.tickets + ledger.in_flight.tickets + ledger.dead.tickets;
    snapshot.closed && unfinished == 0 && ledger.imbalance() == 0
}

fn sum(one: f64, other: f64) -> f64 {
    one + other
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2⁵²")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use inrush_core::store::prelude::*;
    use inrush_core::{
        Entry, SaleSettings,
        store::{AdmitRequest, ClaimRequest, Precondition},
        time::{Clock, ManualClock},
    };
    use inrush_store::memory::MemoryStore;

    use super::*;

    async fn create(store: &dyn Store, sale: &SaleId, settings: &SaleSettings) {
        store.configure(sale, settings, Precondition::Absent).await.unwrap();
    }

    async fn enqueue(store: &dyn Store, sale: &SaleId, units: &[u64]) {
        let requests = units.iter().enumerate().map(|(index, units)| {
            let buyer = format!("buyer-{index}").parse().unwrap();
            let entry = Entry { buyer, units: *units, payload: Vec::new(), trace: Vec::new() };
            AdmitRequest { entry, supersedes: None, restores: None }
        });
        store.admit(sale, &requests.collect::<Vec<_>>()).await.unwrap();
    }

    fn sale(name: &str) -> SaleId {
        name.parse().unwrap()
    }

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|other| other == line)
    }

    #[tokio::test]
    async fn the_gauges_of_a_sale_are_those_of_the_store() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (gauges, phone) = (SaleGauges::register(&metrics), sale("phone"));
        create(&*store, &phone, &SaleSettings { unit_limit: 9, ..SaleSettings::of_stock(10) }).await;
        enqueue(&*store, &phone, &[1, 2, 3]).await;
        let claim = store.claim(&phone, ClaimRequest { max: 1 }).await.unwrap();
        gauges.on_probe(&phone, &claim.backlog);
        gauges.refresh(&*store, &phone).await;
        let text = metrics.text().unwrap();
        for (name, value) in [
            ("waiting_tickets", "2"),
            ("waiting_units", "5"),
            ("leased_tickets", "1"),
            ("retrying_tickets", "0"),
            ("dead_tickets", "0"),
            ("free_units", "4"),
            ("ledger_imbalance", "0"),
        ] {
            assert!(has(&text, &format!("inrush_{name}{{sale=\"phone\"}} {value}")), "{name}:\n{text}");
        }
        for gauge in &GAUGES {
            assert!(text.contains(&gauge.metric.prometheus_name()), "{:?}:\n{text}", gauge.metric);
        }
    }

    #[tokio::test]
    async fn a_few_idle_sales_are_exported_and_the_others_are_not_read() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let gauges = SaleGauges::register(&metrics);
        for number in 0..30 {
            let idle = sale(&format!("sale-{number}"));
            create(&*store, &idle, &SaleSettings::of_stock(10)).await;
            gauges.on_announcement(&idle);
            gauges.on_probe(&idle, &store.recover(&idle).await.unwrap().backlog);
            gauges.refresh(&*store, &idle).await;
        }
        let text = metrics.text().unwrap();
        let exported = text.lines().filter(|line| line.starts_with("inrush_free_units{sale="));
        assert_eq!(exported.count(), 25, "half of the series that sales have by default");
    }

    #[tokio::test]
    async fn closed_sales_do_not_take_the_series_of_open_ones() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (gauges, open) = (SaleGauges::register(&metrics), sale("open"));
        for number in 0..30 {
            let closed = sale(&format!("sale-{number}"));
            create(&*store, &closed, &SaleSettings::of_stock(10)).await;
            store.close(&closed).await.unwrap();
            gauges.refresh(&*store, &closed).await;
            assert!(
                !gauges.cache().needs_refresh(&closed, 25, Instant::now() + MIN_REFRESH_INTERVAL),
                "it was refresh once"
            );
        }
        create(&*store, &open, &SaleSettings::of_stock(10)).await;
        gauges.refresh(&*store, &open).await;
        assert!(has(&metrics.text().unwrap(), "inrush_free_units{sale=\"open\"} 10"));
    }

    #[tokio::test]
    async fn tickets_that_were_dead_before_the_start_are_exported() {
        let clock = ManualClock::default();
        let (store, metrics) = (MemoryStore::new(Clock::Manual(clock.clone())), Metrics::default());
        let (gauges, phone) = (SaleGauges::register(&metrics), sale("phone"));
        let settings = SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(10) };
        create(&*store, &phone, &settings).await;
        enqueue(&*store, &phone, &[1]).await;
        store.claim(&phone, ClaimRequest { max: 1 }).await.unwrap();
        clock.advance(settings.lease);
        assert_eq!(store.recover(&phone).await.unwrap().dead, 1);
        gauges.on_probe(&phone, &store.recover(&phone).await.unwrap().backlog);
        gauges.refresh(&*store, &phone).await;
        assert!(has(&metrics.text().unwrap(), "inrush_dead_tickets{sale=\"phone\"} 1"));
    }

    #[tokio::test]
    async fn a_change_during_a_read_is_read_the_next_time() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (gauges, phone) = (SaleGauges::register(&metrics), sale("phone"));
        create(&*store, &phone, &SaleSettings::of_stock(10)).await;
        gauges.mark_dirty(&phone);
        let now = Instant::now();
        assert!(gauges.cache().needs_refresh(&phone, 0, now));
        gauges.mark_dirty(&phone);
        gauges.update(&store.sale(&phone).await.unwrap(), now);
        assert!(!gauges.cache().needs_refresh(&phone, 0, now), "it was refresh just now");
        assert!(gauges.cache().needs_refresh(&phone, 0, now + MIN_REFRESH_INTERVAL));
        assert!(
            !gauges.cache().needs_refresh(&phone, 0, now + MIN_REFRESH_INTERVAL),
            "nothing has happened since"
        );
        gauges.on_announcement(&phone);
        assert!(gauges.cache().needs_refresh(&phone, 0, now + MIN_REFRESH_INTERVAL));
    }

    #[tokio::test]
    async fn a_sale_that_is_no_longer_probed_is_evicted() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (gauges, start) = (SaleGauges::register(&metrics), Instant::now());
        for name in ["there", "deleted", "closed"] {
            create(&*store, &sale(name), &SaleSettings::of_stock(10)).await;
        }
        store.close(&sale("closed")).await.unwrap();
        for name in ["there", "deleted", "closed"] {
            gauges.update(&store.sale(&sale(name)).await.unwrap(), start);
        }
        let mut cache = gauges.cache();
        cache.needs_refresh(&sale("there"), 0, start + EVICTION_TIMEOUT / 2);
        cache.evict_stale(start + EVICTION_TIMEOUT);
        assert_eq!(cache.sales.keys().map(SaleId::as_str).collect::<Vec<_>>(), ["there"]);
        assert!(cache.finished.is_empty());
    }

    #[tokio::test]
    async fn finished_and_deleted_sales_are_not_exported() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let gauges = SaleGauges::register(&metrics);
        for name in ["open", "closed"] {
            create(&*store, &sale(name), &SaleSettings::of_stock(10)).await;
            gauges.update(&store.sale(&sale(name)).await.unwrap(), Instant::now());
        }
        gauges.update(&store.close(&sale("closed")).await.unwrap(), Instant::now());
        let text = metrics.text().unwrap();
        assert!(text.contains("sale=\"open\"") && !text.contains("sale=\"closed\""), "{text}");
        store.close(&sale("open")).await.unwrap();
        store.delete(&sale("open")).await.unwrap();
        gauges.remove(&sale("open"));
        gauges.refresh(&*store, &sale("open")).await;
        assert!(!metrics.text().unwrap().contains("sale="));
    }

    #[tokio::test]
    async fn sales_beyond_the_limit_share_one_series() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let gauges = SaleGauges::register(&metrics);
        for number in 0..53 {
            let sale = sale(&format!("sale-{number}"));
            create(&*store, &sale, &SaleSettings::of_stock(10)).await;
            enqueue(&*store, &sale, &[1]).await;
            gauges.mark_dirty(&sale);
            gauges.refresh(&*store, &sale).await;
        }
        let text = metrics.text().unwrap();
        let own = text.lines().filter(|line| line.starts_with("inrush_waiting_tickets{sale=\"sale-"));
        assert_eq!(own.count(), 50, "by default");
        assert!(has(&text, "inrush_waiting_tickets{sale=\"_OTHER\"} 3"), "{text}");
    }
}
