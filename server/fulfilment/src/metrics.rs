//! The metrics of fulfilment.

use std::{sync::Arc, time::Duration};

use inrush_core::SaleId;
use inrush_telemetry::{
    LocalCounter, MetricDef, Metrics, Observer, Recorder, ShardedCounter, default_buckets,
};

use self::sale_gauges::SaleGauges;
use crate::statistics::Statistics;

mod oldest_waiting;
pub(crate) mod sale_gauges;

const SALE: &str = "sale";
const OUTCOME: &str = "outcome";

/// From an order system that only records an entry to one that calls a bank.
const ORDER_TIMES: &[Duration] = default_buckets(Duration::from_millis(1), Duration::from_secs(60));

const CLAIMED: MetricDef = MetricDef::counter(
    "inrush.claimed_tickets",
    "{ticket}",
    &[SALE],
    "Tickets claimed by this process; each attempt counts",
);
const SETTLED: MetricDef = MetricDef::counter(
    "inrush.settled_tickets",
    "{ticket}",
    &[SALE, OUTCOME],
    "Attempts settled by this process, by outcome: ordered, rejected, retry, dead (the last attempt failed)",
);
const RECOVERED: MetricDef = MetricDef::counter(
    "inrush.recovered_leases",
    "{lease}",
    &[SALE],
    "Expired leases that this process recovered, its own and those of other processes",
);
const ORDER_DURATION: MetricDef = MetricDef::duration_histogram(
    "inrush.order_response",
    ORDER_TIMES,
    &[],
    "Time from sending an entry to the order system until its answer",
);
const LIMIT: MetricDef = MetricDef::gauge(
    "inrush.orders_in_flight_limit",
    "{entry}",
    &[],
    "Current in-flight limit: entries that may wait for an answer of the order system",
);
const IN_USE: MetricDef = MetricDef::gauge(
    "inrush.orders_in_flight",
    "{entry}",
    &[],
    "Entries in flight: sent to the order system and not answered",
);
const STREAMS: MetricDef =
    MetricDef::gauge("inrush.order_streams", "{stream}", &[], "Open streams to the order system");
const UNKNOWN: MetricDef = MetricDef::counter(
    "inrush.unmatched_order_answers",
    "{answer}",
    &[],
    "Answers of the order system that were ignored: their ticket, or that attempt of it, was not in flight",
);

/// The metrics that do not come from the store's view of its sales.
const OWN_METRICS: [MetricDef; 8] =
    [CLAIMED, SETTLED, RECOVERED, ORDER_DURATION, LIMIT, IN_USE, STREAMS, UNKNOWN];

/// The metrics of fulfilment.
#[must_use]
pub fn metric_defs() -> Vec<MetricDef> {
    sale_gauges::metric_defs().into_iter().chain(OWN_METRICS).collect()
}

/// Outcomes of attempts, in the order of their columns.
const OUTCOMES: [&str; 4] = ["ordered", "rejected", "retry", "dead"];

/// The columns of a sale's row of counts.
mod column {
    pub(super) const CLAIMED: usize = 0;
    pub(super) const RECOVERED: usize = 1;
    pub(super) const FIRST_OUTCOME: usize = 2;
    pub(super) const COUNT: usize = FIRST_OUTCOME + super::OUTCOMES.len();
}

/// The outcomes of a batch of attempts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SettledCounts {
    pub(crate) ordered: usize,
    pub(crate) rejected: usize,
    pub(crate) retried: usize,
    pub(crate) dead: usize,
}

/// The metrics of a worker. Clones share them.
#[derive(Clone)]
pub(crate) struct WorkerMetrics {
    sales: Arc<LocalCounter>,
    orders: Arc<Recorder>,
    pub(crate) sale_gauges: SaleGauges,
}

impl WorkerMetrics {
    /// Registers the metrics of fulfilment.
    pub(crate) fn register(metrics: &Metrics, statistics: &Statistics) -> Self {
        let counter = metrics.sharded_counter(column::COUNT);
        for (metric, column) in [(&CLAIMED, column::CLAIMED), (&RECOVERED, column::RECOVERED)] {
            let counter = counter.clone();
            metrics.counter(metric, move |observer| observe(&counter, column, observer));
        }
        let settled = counter.clone();
        metrics.counter(&SETTLED, move |observer| observe_outcomes(&settled, observer));
        let unknown = statistics.clone();
        metrics.counter(&UNKNOWN, move |observer| observer.observe(unknown.counts().unknown, &[]));
        register_present(metrics, statistics);
        let orders = metrics.histogram(&ORDER_DURATION, vec![Vec::new()]).recorder();
        Self {
            sales: Arc::new(counter.local()),
            orders: Arc::new(orders),
            sale_gauges: SaleGauges::register(metrics),
        }
    }

    /// Tickets were claimed.
    pub(crate) fn claimed(&self, sale: &SaleId, tickets: usize) {
        self.add(sale, &[(column::CLAIMED, tickets)]);
    }

    /// Leases were reclaimed.
    pub(crate) fn recovered(&self, sale: &SaleId, leases: usize) {
        self.add(sale, &[(column::RECOVERED, leases)]);
    }

    /// Attempts were settled.
    pub(crate) fn settled(&self, sale: &SaleId, counts: SettledCounts) {
        let SettledCounts { ordered, rejected, retried, dead } = counts;
        let columns = column::FIRST_OUTCOME..;
        let counts: Vec<(usize, usize)> = columns.zip([ordered, rejected, retried, dead]).collect();
        self.add(sale, &counts);
    }

    /// The order system has answered an entry after this time.
    pub(crate) fn answered(&self, after: Duration) {
        self.orders.record_duration(0, after);
    }

    fn add(&self, sale: &SaleId, counts: &[(usize, usize)]) {
        let counts: Vec<(usize, u64)> =
            counts.iter().map(|(column, count)| (*column, *count as u64)).collect();
        self.sales.add(sale.as_str(), &counts);
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2⁵²")]
fn register_present(metrics: &Metrics, statistics: &Statistics) {
    let [limit, in_use, streams] = [statistics.clone(), statistics.clone(), statistics.clone()];
    metrics.gauge(&LIMIT, move |observer| observer.observe(limit.counts().concurrency as f64, &[]));
    metrics.gauge(&IN_USE, move |observer| observer.observe(in_use.counts().unanswered as f64, &[]));
    metrics.gauge(&STREAMS, move |observer| observer.observe(streams.counts().streams as f64, &[]));
}

fn observe(counter: &ShardedCounter, column: usize, observer: &Observer<'_, u64>) {
    for (sale, counts) in counter.counts() {
        observer.observe(counts.get(column).copied().unwrap_or_default(), &[(SALE, &sale)]);
    }
}

fn observe_outcomes(counter: &ShardedCounter, observer: &Observer<'_, u64>) {
    for (sale, counts) in counter.counts() {
        for (outcome, count) in OUTCOMES.into_iter().zip(counts.iter().skip(column::FIRST_OUTCOME)) {
            observer.observe(*count, &[(SALE, &sale), (OUTCOME, outcome)]);
        }
    }
}
