//! Outcomes of Enqueue by sale.

use inrush_core::{
    SaleId,
    store::{Admission, AdmitRequest},
};
use inrush_telemetry::{LocalCounter, MetricDef, Metrics, Observer, ShardedCounter};

use crate::gate_decision::GateDecision;

const SALE: &str = "sale";
const REASON: &str = "reason";

pub(super) const ADMITTED_TICKETS: MetricDef = MetricDef::counter(
    "inrush.admitted_tickets",
    "{ticket}",
    &[SALE],
    "Issued tickets, without repeated Enqueues of a buyer",
);
pub(super) const ADMITTED_UNITS: MetricDef =
    MetricDef::counter("inrush.admitted_units", "{unit}", &[SALE], "Units of the issued tickets");
pub(super) const REFUSED: MetricDef = MetricDef::counter(
    "inrush.enqueue_refused",
    "{buyer}",
    &[SALE, REASON],
    "Refused Enqueues by reason: sold_out, not_open, closed, held, unit_limit, restoring (holders \
     of lost tickets come first), or bypass (sent to the normal purchase \
     flow)",
);
pub(super) const GATE_HITS: MetricDef = MetricDef::counter(
    "inrush.gate_hits",
    "{buyer}",
    &[SALE],
    "Refused Enqueues that were answered from cached state, without the store",
);

/// The columns of a sale's counters.
mod column {
    pub(super) const TICKETS: usize = 0;
    pub(super) const UNITS: usize = 1;
    pub(super) const GATE_HITS: usize = 2;
    pub(super) const FIRST_REFUSAL: usize = 3;
    pub(super) const COUNT: usize = FIRST_REFUSAL + crate::gate_decision::GateDecision::REASONS.len();
}

/// The sales of a node. Clones share them.
#[derive(Clone)]
pub(super) struct Sales(ShardedCounter);

/// Counts the outcomes on one core.
#[derive(Debug)]
pub(crate) struct SaleCounts(LocalCounter);

impl Sales {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let counter = metrics.sharded_counter(column::COUNT);
        for (metric, column) in [
            (&ADMITTED_TICKETS, column::TICKETS),
            (&ADMITTED_UNITS, column::UNITS),
            (&GATE_HITS, column::GATE_HITS),
        ] {
            let counter = counter.clone();
            metrics.counter(metric, move |observer| report(&counter, column, observer));
        }
        let refusals = counter.clone();
        metrics.counter(&REFUSED, move |observer| report_refusals(&refusals, observer));
        Self(counter)
    }

    pub(super) fn counts(&self) -> SaleCounts {
        SaleCounts(self.0.local())
    }
}

fn report(counter: &ShardedCounter, column: usize, observer: &Observer<'_, u64>) {
    for (sale, counts) in counter.counts() {
        observer.observe(counts.get(column).copied().unwrap_or_default(), &[(SALE, &sale)]);
    }
}

fn report_refusals(counter: &ShardedCounter, observer: &Observer<'_, u64>) {
    for (sale, counts) in counter.counts() {
        let refusals = GateDecision::REASONS.into_iter().zip(counts.iter().skip(column::FIRST_REFUSAL));
        // Zeros are left out: most sales have one reason.
        for (reason, count) in refusals.filter(|(_, count)| **count > 0) {
            observer.observe(*count, &[(SALE, &sale), (REASON, reason)]);
        }
    }
}

impl SaleCounts {
    /// Counts the outcomes of a batch.
    pub(crate) fn admitted(&self, sale: &SaleId, requests: &[AdmitRequest], admissions: &[Admission]) {
        let mut counts = [0_u64; column::COUNT];
        let mut add = |column: usize, count| {
            if let Some(sum) = counts.get_mut(column) {
                *sum += count;
            }
        };
        for (request, admission) in requests.iter().zip(admissions) {
            match admission {
                Admission::Queued { .. } => {
                    add(column::TICKETS, 1);
                    add(column::UNITS, request.entry.units);
                }
                Admission::Existing { .. } | Admission::Restored { .. } => {}
                Admission::Refused(refusal) => add(column_of(GateDecision::Refused(*refusal)), 1),
                Admission::Bypass => add(column_of(GateDecision::Bypass), 1),
            }
        }
        let counts: Vec<(usize, u64)> =
            counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        self.0.add(sale.as_str(), &counts);
    }

    /// Counts a refusal from memory.
    pub(crate) fn refused_by_gate(&self, sale: &SaleId, decision: GateDecision) {
        self.0.add(sale.as_str(), &[(column::GATE_HITS, 1), (column_of(decision), 1)]);
    }
}

const fn column_of(decision: GateDecision) -> usize {
    column::FIRST_REFUSAL + decision.index()
}

#[cfg(test)]
mod tests {
    use inrush_core::{Entry, Timestamp, store::Refusal};

    use super::*;

    fn enqueue_request(units: u64) -> AdmitRequest {
        let buyer = "ada".parse().unwrap();
        let entry = Entry { buyer, units, payload: Vec::new(), trace: Vec::new() };
        AdmitRequest { entry, supersedes: None, restores: None }
    }

    #[test]
    fn every_outcome_is_counted_under_its_label() {
        let metrics = Metrics::default();
        let counts = Sales::register(&metrics).counts();
        let sale: SaleId = "phone".parse().unwrap();
        let refusals = [
            Refusal::SoldOut,
            Refusal::NotOpen { opens_at: Timestamp(0) },
            Refusal::Closed,
            Refusal::Held,
            Refusal::UnitLimit { limit: 1 },
            Refusal::Restoring { until: Timestamp(0) },
        ];
        let mut admissions = vec![Admission::Queued { seq: 1, position: 1 }, Admission::Existing { seq: 1 }];
        admissions.extend(refusals.map(Admission::Refused));
        admissions.push(Admission::Bypass);
        let requests: Vec<AdmitRequest> = admissions.iter().map(|_| enqueue_request(3)).collect();
        counts.admitted(&sale, &requests, &admissions);
        counts.refused_by_gate(&sale, GateDecision::Refused(Refusal::SoldOut));
        let text = metrics.text().unwrap();
        for line in [
            "inrush_admitted_tickets_total{sale=\"phone\"} 1",
            "inrush_admitted_units_total{sale=\"phone\"} 3",
            "inrush_gate_hits_total{sale=\"phone\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
        }
        for reason in GateDecision::REASONS {
            let count = if reason == "sold_out" { 2 } else { 1 };
            let series = [
                format!("inrush_enqueue_refused_total{{reason=\"{reason}\",sale=\"phone\"}} {count}"),
                format!("inrush_enqueue_refused_total{{sale=\"phone\",reason=\"{reason}\"}} {count}"),
            ];
            assert!(series.iter().any(|series| text.contains(series)), "{reason} is missing in\n{text}");
        }
    }
}
