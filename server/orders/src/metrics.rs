//! The metrics of the order system.

use inrush_telemetry::{MetricDef, Metrics};

use crate::statistics::{Counts, Statistics};

const CREATED: MetricDef = MetricDef::counter("inrush.orders_created", "{order}", &[], "Orders created");
const REPEATED: MetricDef = MetricDef::counter(
    "inrush.orders_deduplicated",
    "{entry}",
    &[],
    "Entries that were sent again and answered with the existing order of their ticket",
);
const REJECTED: MetricDef =
    MetricDef::counter("inrush.orders_rejected", "{entry}", &[], "Entries that were rejected for good");
const TICKET_CONFLICTS: MetricDef = MetricDef::counter(
    "inrush.order_ticket_conflicts",
    "{entry}",
    &[],
    "Entries that were rejected because their ticket has an order of another buyer or of other units: the queue has \
     issued a ticket twice",
);
const BUYER_CONFLICTS: MetricDef = MetricDef::counter(
    "inrush.order_buyer_conflicts",
    "{entry}",
    &[],
    "Entries that were rejected because their buyer has a live order of the sale by another ticket",
);
const RETRIED: MetricDef =
    MetricDef::counter("inrush.orders_retried", "{entry}", &[], "Entries that were answered with a retry");
const RELEASED: MetricDef = MetricDef::counter(
    "inrush.orders_released",
    "{order}",
    &[],
    "Orders that were released because they were not paid in time",
);
const ACKNOWLEDGED: MetricDef = MetricDef::counter(
    "inrush.releases_acknowledged",
    "{order}",
    &[],
    "Released orders that the front acknowledged",
);

/// The definitions of all metrics.
pub const METRICS: [MetricDef; 8] =
    [CREATED, REPEATED, REJECTED, TICKET_CONFLICTS, BUYER_CONFLICTS, RETRIED, RELEASED, ACKNOWLEDGED];

/// Registers the metrics of an order system with these counters.
pub fn register(metrics: &Metrics, statistics: &Statistics) {
    let read: [fn(Counts) -> u64; METRICS.len()] = [
        |counts| counts.created,
        |counts| counts.repeated,
        |counts| counts.rejected,
        |counts| counts.ticket_conflicts,
        |counts| counts.buyer_conflicts,
        |counts| counts.retried,
        |counts| counts.released,
        |counts| counts.acknowledged,
    ];
    for (metric, read) in METRICS.iter().zip(read) {
        let statistics = statistics.clone();
        metrics.counter(metric, move |observer| observer.observe(read(statistics.counts()), &[]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_metric() {
        let (metrics, statistics) = (Metrics::default(), Statistics::default());
        register(&metrics, &statistics);
        statistics.created(false);
        (0..2).for_each(|_| statistics.created(true));
        (0..3).for_each(|_| statistics.rejected());
        (0..4).for_each(|_| statistics.ticket_conflict());
        (0..5).for_each(|_| statistics.buyer_conflict());
        (0..6).for_each(|_| statistics.retried());
        statistics.released(7);
        statistics.acknowledged(8);
        let text = metrics.text().unwrap();
        for (metric, count) in METRICS.iter().zip(1..) {
            let line = format!("{} {count}", metric.prometheus_name());
            assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
        }
    }
}
