//! The metrics of a front.
//!
//! Each core has counters of its own, which are summed when the metrics are read, so that no call writes to
//! memory that cores share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use inrush_telemetry::{MetricDef, Metrics, Observer};
use parking_lot::Mutex;

mod calls;
mod sales;

pub(crate) use self::{calls::CallDurations, sales::SaleCounts};
use self::{calls::Calls, sales::Sales};

const SHED: MetricDef = MetricDef::counter(
    "inrush.calls_shed",
    "{call}",
    &["reason"],
    "Calls shed with UNAVAILABLE by reason: in_flight (in-flight limit of a core), queue_wait (waited too long for the \
     store), watches (watch limit of a core)",
);
const CANCELLED: MetricDef = MetricDef::counter(
    "inrush.calls_cancelled",
    "{call}",
    &[],
    "Calls whose client disconnected before the response",
);
const IN_FLIGHT: MetricDef =
    MetricDef::gauge("inrush.calls_in_flight", "{call}", &[], "Calls in flight, without watches");
const WATCHES: MetricDef = MetricDef::gauge("inrush.watches", "{watch}", &[], "Open watches");
const CONNECTIONS: MetricDef =
    MetricDef::gauge("inrush.connections", "{connection}", &[], "Open connections");

/// The metrics of a front.
pub const METRICS: [MetricDef; 10] = [
    calls::DURATION,
    sales::ADMITTED_TICKETS,
    sales::ADMITTED_UNITS,
    sales::REFUSED,
    sales::GATE_HITS,
    SHED,
    CANCELLED,
    IN_FLIGHT,
    WATCHES,
    CONNECTIONS,
];

/// Why a valid call was shed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ShedReason {
    InFlight,
    Wait,
    Watches,
}

/// What a gauge counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GaugeKind {
    Calls,
    Watches,
    Connections,
}

/// The counters of one core. Other cores only read them.
#[derive(Debug, Default)]
pub(crate) struct CoreCounts {
    shed: [AtomicU64; ShedReason::LABELS.len()],
    cancelled: AtomicU64,
    gauges: [AtomicU64; GaugeKind::COUNT],
}

/// Counted for as long as it lives.
#[derive(Debug)]
pub(crate) struct GaugeGuard {
    counts: Arc<CoreCounts>,
    kind: GaugeKind,
}

/// The metrics of a node. Clones share them.
#[derive(Clone)]
pub(crate) struct NodeMetrics {
    cores: Cores,
    calls: Calls,
    sales: Sales,
}

/// The counts of all cores of a node.
#[derive(Clone, Default)]
struct Cores(Arc<Mutex<Vec<Arc<CoreCounts>>>>);

/// The metrics of one core.
pub(crate) struct CoreMetrics {
    pub(crate) counts: Arc<CoreCounts>,
    pub(crate) durations: CallDurations,
    pub(crate) sales: Arc<SaleCounts>,
}

impl ShedReason {
    const LABELS: [&'static str; 3] = ["in_flight", "queue_wait", "watches"];
}

impl GaugeKind {
    const COUNT: usize = Self::Connections as usize + 1;
}

impl CoreCounts {
    /// Counts a shed call.
    pub(crate) fn shed(&self, reason: ShedReason) {
        if let Some(count) = self.shed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a client that disconnected before its response.
    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds one to a gauge until the guard is dropped.
    pub(crate) fn count(self: &Arc<Self>, kind: GaugeKind) -> GaugeGuard {
        self.count_after(kind).0
    }

    /// Adds one to a gauge until the guard is dropped, and returns what the gauge was before.
    pub(crate) fn count_after(self: &Arc<Self>, kind: GaugeKind) -> (GaugeGuard, u64) {
        let gauge = self.gauges.get(kind as usize);
        let before = gauge.map_or(0, |gauge| gauge.fetch_add(1, Ordering::Relaxed));
        (GaugeGuard { counts: Arc::clone(self), kind }, before)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        if let Some(count) = self.counts.gauges.get(self.kind as usize) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl NodeMetrics {
    /// Registers the metrics of a front.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let cores = Cores::default();
        let shed = cores.clone();
        metrics.counter(&SHED, move |observer| {
            for (index, reason) in ShedReason::LABELS.into_iter().enumerate() {
                observer.observe(shed.sum(|counts| counts.shed.get(index)), &[("reason", reason)]);
            }
        });
        let cancelled = cores.clone();
        metrics.counter(&CANCELLED, move |observer| {
            observer.observe(cancelled.sum(|counts| Some(&counts.cancelled)), &[]);
        });
        for (metric, gauge) in [
            (&IN_FLIGHT, GaugeKind::Calls),
            (&WATCHES, GaugeKind::Watches),
            (&CONNECTIONS, GaugeKind::Connections),
        ] {
            let cores = cores.clone();
            metrics.gauge(metric, move |observer| cores.report(gauge, observer));
        }
        Self { cores, calls: Calls::register(metrics), sales: Sales::register(metrics) }
    }

    /// The metrics of one more core, called once at its start.
    pub(crate) fn core(&self) -> CoreMetrics {
        let counts = Arc::new(CoreCounts::default());
        self.cores.0.lock().push(Arc::clone(&counts));
        CoreMetrics { counts, durations: self.calls.durations(), sales: Arc::new(self.sales.counts()) }
    }

    /// Calls whose clients disconnected.
    pub(crate) fn cancelled(&self) -> u64 {
        self.cores.sum(|counts| Some(&counts.cancelled))
    }

    /// Calls shed, for any reason.
    pub(crate) fn shed(&self) -> u64 {
        (0..ShedReason::LABELS.len()).map(|index| self.cores.sum(|counts| counts.shed.get(index))).sum()
    }
}

impl Cores {
    fn sum(&self, count: impl Fn(&CoreCounts) -> Option<&AtomicU64>) -> u64 {
        let cores = self.0.lock();
        cores.iter().filter_map(|counts| count(counts)).map(|count| count.load(Ordering::Relaxed)).sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2⁵²")]
    fn report(&self, gauge: GaugeKind, observer: &Observer<'_, f64>) {
        observer.observe(self.sum(|counts| counts.gauges.get(gauge as usize)) as f64, &[]);
    }
}
