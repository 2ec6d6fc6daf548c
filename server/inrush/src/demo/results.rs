//! The results of a demo run, as JSON.

use std::time::Duration;

use inrush_simulation::sale::{SaleRun, checker::Check, summary::orders_rate};
use serde::Serialize;

/// The results of a run. Counts are tickets unless they are called units; rates are per second, latencies in
/// milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DemoResults<'a> {
    /// The store's kind: `memory` or `redis`.
    store: &'a str,
    /// Buyers.
    buyers: u64,
    /// Units for sale.
    stock: u64,
    /// Maximum number of admitted units, including the standby queue.
    cap: u64,
    /// Issued tickets.
    admitted: u64,
    /// Units ordered and paid at the end.
    ordered: u64,
    /// Refused buyers.
    refused: u64,
    /// Tickets cancelled by their buyers.
    cancelled: u64,
    /// Released orders, which were never paid.
    released: u64,
    /// Tickets that were still waiting when the sale closed.
    expired: u64,
    /// Repeated Enqueues answered with the same ticket.
    repeated: u64,
    /// Status responses.
    polls: u64,
    /// Units left unsold.
    unsold: u64,
    /// Units sold beyond the stock, or admitted beyond the cap.
    oversold: u64,
    /// Acknowledged tickets without an outcome.
    lost: u64,
    /// Tickets or orders that exist twice.
    duplicated: u64,
    /// Tickets and orders out of order, and positions that rose.
    out_of_order: u64,
    /// Rate of first Enqueues, from the opening to the last response.
    enqueue_rps: f64,
    /// Rate of orders, over the time in which orders were created.
    orders_rps: f64,
    /// Median latency of an Enqueue.
    enqueue_p50_ms: f64,
    /// 99th percentile of the latency of an Enqueue.
    enqueue_p99_ms: f64,
    /// From the opening to the result, in seconds.
    wall_s: f64,
    /// All checks.
    checks: &'a [Check],
}

impl<'a> DemoResults<'a> {
    /// The results of a run on a store of this kind.
    pub(crate) fn new(run: &'a SaleRun, store: &'a str) -> Self {
        let counters = &run.shared.counters;
        let tickets = |count: Option<inrush_client::proto::Count>| count.unwrap_or_default().tickets;
        let sum = |names: &[&str]| -> u64 {
            run.checks.iter().filter(|check| names.contains(&check.name)).map(|check| check.faults).sum()
        };
        let enqueues = run.measures.enqueues.latencies(true).service;
        Self {
            store,
            buyers: u64::from(run.scenario.buyers),
            stock: run.scenario.units,
            cap: run.scenario.effective_cap(),
            admitted: counters.queued.get(),
            ordered: run.ordered,
            refused: counters.refused.get(),
            cancelled: counters.cancelled.get(),
            released: tickets(run.ledger.released),
            expired: tickets(run.ledger.expired),
            repeated: counters.repeated.get(),
            polls: counters.polls.get(),
            unsold: run.scenario.units.saturating_sub(run.ordered),
            oversold: sum(&["oversold"]),
            lost: sum(&["lost"]),
            duplicated: sum(&["duplicated"]),
            out_of_order: sum(&["out of order", "positions that rose"]),
            enqueue_rps: rate(counters.answered.get(), run.shared.answered_within()),
            orders_rps: orders_rate(run),
            enqueue_p50_ms: milliseconds(enqueues.value_at_quantile(0.5)),
            enqueue_p99_ms: milliseconds(enqueues.value_at_quantile(0.99)),
            wall_s: run.took.as_secs_f64(),
            checks: &run.checks,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(0.001)
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e3
}
