//! What the store tells of its sales, kept from look to look so that a scraper need not wait for the store.
//!
//! Figures are read along with the looks that fulfilment takes anyway, at busy sales every few seconds. One in which nothing
//! goes on is not read again until something is announced of it, and of those in which nothing was ever found only so many are
//! read as leave half of the series to others: ten thousand idle sales cost nothing, and an operator sees the few of a shop before they
//! open. Every fulfilment tells the same of a sale, give or take some seconds.
//!
//! A sale that is closed, with nothing left to do, is not told of any more; nor is one at which nobody has looked for long, since
//! the sweep comes by every sale that there is.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use inrush_core::{SaleId, SaleSnapshot, Store, StoreError, sale::from_milli, store::Backlog};
use inrush_runtime::telemetry::{Family, Metrics, Names, OTHERS, Points};
use tokio::time::Instant;

use super::oldest_waiting::Line;

/// A sale that is looked at more often is read no more often than this.
const FRESH: Duration = Duration::from_secs(1);

/// A sale at which nobody has looked for as long was deleted: longer than a pass of the sweep over a hundred thousand sales.
const GONE_AFTER: Duration = Duration::from_secs(3600);

/// A figure of sales: what it is, and how those of sales without series of their own come together.
struct Gauge {
    family: Family,
    read: fn(&Figure, Instant) -> Option<f64>,
    together: fn(f64, f64) -> f64,
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: fn(&Figure, Instant) -> Option<f64>,
) -> Gauge {
    Gauge { family: Family::gauge(name, unit, &["sale"], help), read, together: sum }
}

const GAUGES: [Gauge; 9] = [
    gauge(
        "inrush.waiting_tickets",
        "{ticket}",
        "Tickets in line, those that wait for another attempt included",
        |figure, _| Some(figure.waiting_tickets),
    ),
    gauge("inrush.waiting_units", "{unit}", "Units that the tickets in line ask for", |figure, _| {
        Some(figure.waiting_units)
    }),
    Gauge {
        together: f64::max,
        ..gauge(
            "inrush.oldest_waiting",
            "s",
            "How long the first in line that was never claimed has waited: at most one look too long, and after a start of \
             fulfilment at first too short",
            |figure, now| Some(figure.line.oldest(now).as_secs_f64()),
        )
    },
    gauge("inrush.leased_tickets", "{ticket}", "Tickets under a lease of some fulfilment", |figure, _| {
        Some(figure.leased)
    }),
    gauge(
        "inrush.retrying_tickets",
        "{ticket}",
        "Tickets in line that wait for another attempt",
        |figure, _| Some(figure.retrying),
    ),
    gauge(
        "inrush.dead_tickets",
        "{ticket}",
        "Tickets that are out of attempts and wait for an operator",
        |figure, _| Some(figure.dead),
    ),
    gauge(
        "inrush.free_units",
        "{unit}",
        "Units of stock that nobody has or waits for; not there for a sale without stock",
        |figure, _| figure.free_units,
    ),
    gauge(
        "inrush.ledger_difference",
        "",
        "Tickets and units by which the ledger of the sale does not balance: 0, or there is a defect",
        |figure, _| Some(figure.ledger_difference),
    ),
    gauge("inrush.pace", "", "Tickets that leave the line in a second, as measured", |figure, _| {
        Some(figure.pace)
    }),
];

/// The metrics here.
pub(crate) fn families() -> Vec<Family> {
    GAUGES.iter().map(|gauge| gauge.family).collect()
}

/// What is known of all sales. Clones share it.
#[derive(Clone)]
pub(crate) struct Figures {
    known: Arc<Mutex<Known>>,
    names: Names,
}

#[derive(Debug, Default)]
struct Known {
    figures: HashMap<SaleId, Figure>,
    /// Sales that were read and are not told of, with when somebody looked at them last.
    over: HashMap<SaleId, Instant>,
    /// Sales that are to be read, since something has happened in them.
    in_doubt: HashSet<SaleId>,
}

/// What was last read of a sale.
#[derive(Debug)]
struct Figure {
    read_at: Instant,
    looked_at: Instant,
    waiting_tickets: f64,
    waiting_units: f64,
    leased: f64,
    retrying: f64,
    dead: f64,
    free_units: Option<f64>,
    ledger_difference: f64,
    pace: f64,
    line: Line,
}

impl Figures {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let figures = Self { known: Arc::default(), names: metrics.names().clone() };
        for gauge in GAUGES {
            let (figures, family) = (figures.clone(), gauge.family);
            metrics.gauge(&family, move |points| figures.tell(&gauge, Instant::now(), points));
        }
        figures
    }

    /// Something may have happened in a sale. One that was never read stays that way: most announcements are of sales in which
    /// there is nothing to be seen.
    pub(crate) fn announced(&self, sale: &SaleId) {
        let mut known = self.known();
        if known.figures.contains_key(sale) {
            known.in_doubt.insert(sale.clone());
        }
    }

    /// A sale was found like this.
    pub(crate) fn found(&self, sale: &SaleId, backlog: &Backlog) {
        if backlog.waiting + backlog.in_flight + backlog.dead > 0 {
            self.changed(sale);
        }
    }

    /// Something has happened in a sale.
    pub(crate) fn changed(&self, sale: &SaleId) {
        self.known().in_doubt.insert(sale.clone());
    }

    /// Reads a sale in which something has happened or goes on, unless it was read just now. A store that does not answer
    /// leaves the figures as they are.
    pub(crate) async fn read(&self, store: &dyn Store, sale: &SaleId) {
        let now = Instant::now();
        if !self.known().is_to_be_read(sale, self.names.most() / 2, now) {
            return;
        }
        match store.sale(sale).await {
            Ok(snapshot) => self.note(&snapshot, now),
            Err(StoreError::SaleNotFound(_)) => self.forget(sale),
            Err(StoreError::Unavailable(_) | StoreError::Unsuitable(_) | StoreError::Corrupt(_)) => {
                self.changed(sale);
            }
        }
    }

    fn note(&self, snapshot: &SaleSnapshot, now: Instant) {
        if is_over(snapshot) {
            self.forget(&snapshot.id);
            self.known().over.insert(snapshot.id.clone(), now);
            return;
        }
        self.names.mention(snapshot.id.as_str());
        let mut known = self.known();
        known.over.remove(&snapshot.id);
        let line = known.figures.remove(&snapshot.id).map_or_else(Line::default, |figure| figure.line);
        known.figures.insert(snapshot.id.clone(), Figure::of(snapshot, line, now));
    }

    /// There is no such sale any more.
    pub(crate) fn forget(&self, sale: &SaleId) {
        let mut known = self.known();
        known.figures.remove(sale);
        known.over.remove(sale);
        known.in_doubt.remove(sale);
    }

    fn tell(&self, gauge: &Gauge, now: Instant, points: &Points<'_, f64>) {
        let mut others: Option<f64> = None;
        let mut known = self.known();
        known.forget_gone(now);
        for (sale, figure) in &known.figures {
            let Some(value) = (gauge.read)(figure, now) else { continue };
            if self.names.has(sale.as_str()) {
                points.add(value, &[("sale", sale.as_str())]);
            } else {
                others = Some(others.map_or(value, |sum| (gauge.together)(sum, value)));
            }
        }
        if let Some(value) = others {
            points.add(value, &[("sale", OTHERS)]);
        }
    }

    /// What is known is whole after each statement, so the lock's poison says nothing.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Sales in which nothing was ever found are read until so many are known. The doubt ends before the reading, so that what
    /// happens meanwhile is not overlooked.
    fn is_to_be_read(&mut self, sale: &SaleId, most_idle: usize, now: Instant) -> bool {
        let has_room = self.figures.len() < most_idle;
        if let Some(figure) = self.figures.get_mut(sale) {
            figure.looked_at = now;
            return now >= figure.read_at + FRESH && (self.in_doubt.remove(sale) || figure.goes_on());
        }
        let is_over = self.over.get_mut(sale).map(|looked_at| *looked_at = now).is_some();
        self.in_doubt.remove(sale) || (has_room && !is_over)
    }

    fn forget_gone(&mut self, now: Instant) {
        let is_there = |looked_at: Instant| now.saturating_duration_since(looked_at) < GONE_AFTER;
        self.figures.retain(|_, figure| is_there(figure.looked_at));
        self.over.retain(|_, looked_at| is_there(*looked_at));
    }
}

impl Figure {
    fn goes_on(&self) -> bool {
        self.waiting_tickets + self.leased > 0.0
    }

    fn of(snapshot: &SaleSnapshot, mut line: Line, now: Instant) -> Self {
        let ledger = &snapshot.ledger;
        line.note(snapshot.last_seq, snapshot.cursor, now);
        let stock = snapshot.settings.stock;
        Self {
            read_at: now,
            looked_at: now,
            waiting_tickets: number(ledger.waiting.tickets),
            waiting_units: number(ledger.waiting.units),
            leased: number(ledger.in_flight.tickets),
            retrying: number(ledger.retrying.tickets),
            dead: number(ledger.dead.tickets),
            free_units: stock.map(|stock| number(ledger.free_units(stock, true))),
            ledger_difference: number(ledger.difference()),
            pace: from_milli(snapshot.measured_pace),
            line,
        }
    }
}

/// Closed for good, and nothing of it is on its way or waits for an operator.
fn is_over(snapshot: &SaleSnapshot) -> bool {
    let ledger = &snapshot.ledger;
    let unfinished = ledger.waiting.tickets + ledger.in_flight.tickets + ledger.dead.tickets;
    snapshot.closed && unfinished == 0 && ledger.difference() == 0
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
        let wishes = units.iter().enumerate().map(|(index, units)| {
            let buyer = format!("buyer-{index}").parse().unwrap();
            let entry = Entry { buyer, units: *units, payload: Vec::new(), trace: Vec::new() };
            AdmitRequest { entry, supersedes: None }
        });
        store.admit(sale, &wishes.collect::<Vec<_>>()).await.unwrap();
    }

    fn sale(name: &str) -> SaleId {
        name.parse().unwrap()
    }

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|other| other == line)
    }

    #[tokio::test]
    async fn a_sale_is_told_of_as_the_store_has_it() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (figures, phone) = (Figures::register(&metrics), sale("phone"));
        create(&*store, &phone, &SaleSettings { unit_limit: 9, ..SaleSettings::of_stock(10) }).await;
        enqueue(&*store, &phone, &[1, 2, 3]).await;
        let claim = store.claim(&phone, ClaimRequest { max: 1 }).await.unwrap();
        figures.found(&phone, &claim.backlog);
        figures.read(&*store, &phone).await;
        let text = metrics.text().unwrap();
        for (name, value) in [
            ("waiting_tickets", "2"),
            ("waiting_units", "5"),
            ("leased_tickets", "1"),
            ("retrying_tickets", "0"),
            ("dead_tickets", "0"),
            ("free_units", "4"),
            ("ledger_difference", "0"),
        ] {
            assert!(has(&text, &format!("inrush_{name}{{sale=\"phone\"}} {value}")), "{name}:\n{text}");
        }
        for gauge in &GAUGES {
            assert!(text.contains(&gauge.family.prometheus_name()), "{:?}:\n{text}", gauge.family);
        }
    }

    #[tokio::test]
    async fn a_few_idle_sales_are_told_of_and_the_rest_is_not_even_read() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let figures = Figures::register(&metrics);
        for number in 0..30 {
            let idle = sale(&format!("sale-{number}"));
            create(&*store, &idle, &SaleSettings::of_stock(10)).await;
            figures.announced(&idle);
            figures.found(&idle, &store.recover(&idle).await.unwrap().backlog);
            figures.read(&*store, &idle).await;
        }
        let text = metrics.text().unwrap();
        let told = text.lines().filter(|line| line.starts_with("inrush_free_units{sale="));
        assert_eq!(told.count(), 25, "half of as many as have series by default");
    }

    #[tokio::test]
    async fn closed_sales_do_not_keep_others_from_being_told_of() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (figures, open) = (Figures::register(&metrics), sale("open"));
        for number in 0..30 {
            let closed = sale(&format!("sale-{number}"));
            create(&*store, &closed, &SaleSettings::of_stock(10)).await;
            store.close(&closed).await.unwrap();
            figures.read(&*store, &closed).await;
            assert!(!figures.known().is_to_be_read(&closed, 25, Instant::now() + FRESH), "it was read once");
        }
        create(&*store, &open, &SaleSettings::of_stock(10)).await;
        figures.read(&*store, &open).await;
        assert!(has(&metrics.text().unwrap(), "inrush_free_units{sale=\"open\"} 10"));
    }

    #[tokio::test]
    async fn tickets_that_died_before_the_start_are_told_of() {
        let clock = ManualClock::default();
        let (store, metrics) = (MemoryStore::new(Clock::Manual(clock.clone())), Metrics::default());
        let (figures, phone) = (Figures::register(&metrics), sale("phone"));
        let settings = SaleSettings { max_attempts: 1, ..SaleSettings::of_stock(10) };
        create(&*store, &phone, &settings).await;
        enqueue(&*store, &phone, &[1]).await;
        store.claim(&phone, ClaimRequest { max: 1 }).await.unwrap();
        clock.advance(settings.lease);
        assert_eq!(store.recover(&phone).await.unwrap().dead, 1);
        figures.found(&phone, &store.recover(&phone).await.unwrap().backlog);
        figures.read(&*store, &phone).await;
        assert!(has(&metrics.text().unwrap(), "inrush_dead_tickets{sale=\"phone\"} 1"));
    }

    #[tokio::test]
    async fn what_happens_while_a_sale_is_read_is_read_the_next_time() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (figures, phone) = (Figures::register(&metrics), sale("phone"));
        create(&*store, &phone, &SaleSettings::of_stock(10)).await;
        figures.changed(&phone);
        let now = Instant::now();
        assert!(figures.known().is_to_be_read(&phone, 0, now));
        figures.changed(&phone);
        figures.note(&store.sale(&phone).await.unwrap(), now);
        assert!(!figures.known().is_to_be_read(&phone, 0, now), "it was read just now");
        assert!(figures.known().is_to_be_read(&phone, 0, now + FRESH));
        assert!(!figures.known().is_to_be_read(&phone, 0, now + FRESH), "nothing has happened since");
        figures.announced(&phone);
        assert!(figures.known().is_to_be_read(&phone, 0, now + FRESH));
    }

    #[tokio::test]
    async fn a_sale_that_nobody_comes_by_any_more_is_gone() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let (figures, start) = (Figures::register(&metrics), Instant::now());
        for name in ["there", "deleted", "closed"] {
            create(&*store, &sale(name), &SaleSettings::of_stock(10)).await;
        }
        store.close(&sale("closed")).await.unwrap();
        for name in ["there", "deleted", "closed"] {
            figures.note(&store.sale(&sale(name)).await.unwrap(), start);
        }
        let mut known = figures.known();
        known.is_to_be_read(&sale("there"), 0, start + GONE_AFTER / 2);
        known.forget_gone(start + GONE_AFTER);
        assert_eq!(known.figures.keys().map(SaleId::as_str).collect::<Vec<_>>(), ["there"]);
        assert!(known.over.is_empty());
    }

    #[tokio::test]
    async fn what_is_over_or_gone_is_not_told_of() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let figures = Figures::register(&metrics);
        for name in ["open", "closed"] {
            create(&*store, &sale(name), &SaleSettings::of_stock(10)).await;
            figures.note(&store.sale(&sale(name)).await.unwrap(), Instant::now());
        }
        figures.note(&store.close(&sale("closed")).await.unwrap(), Instant::now());
        let text = metrics.text().unwrap();
        assert!(text.contains("sale=\"open\"") && !text.contains("sale=\"closed\""), "{text}");
        store.close(&sale("open")).await.unwrap();
        store.delete(&sale("open")).await.unwrap();
        figures.forget(&sale("open"));
        figures.read(&*store, &sale("open")).await;
        assert!(!metrics.text().unwrap().contains("sale="));
    }

    #[tokio::test]
    async fn sales_beyond_the_limit_are_told_of_together() {
        let (store, metrics) = (MemoryStore::new(Clock::Store), Metrics::default());
        let figures = Figures::register(&metrics);
        for number in 0..53 {
            let sale = sale(&format!("sale-{number}"));
            create(&*store, &sale, &SaleSettings::of_stock(10)).await;
            enqueue(&*store, &sale, &[1]).await;
            figures.changed(&sale);
            figures.read(&*store, &sale).await;
        }
        let text = metrics.text().unwrap();
        let own = text.lines().filter(|line| line.starts_with("inrush_waiting_tickets{sale=\"sale-"));
        assert_eq!(own.count(), 50, "by default");
        assert!(has(&text, "inrush_waiting_tickets{sale=\"(other)\"} 3"), "{text}");
    }
}
