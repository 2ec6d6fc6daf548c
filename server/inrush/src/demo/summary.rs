//! What a run came to: the table at the end and the JSON beside it.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::checker::Verdict;

/// The figures of a run. Counts are tickets unless they say units; rates are per second, latencies milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// The store's kind: `memory` or `redis`.
    pub(crate) store: String,
    /// Buyers who asked.
    pub(crate) buyers: u64,
    /// Units on sale.
    pub(crate) stock: u64,
    /// Units that could be in line at once, the standby line included.
    pub(crate) cap: u64,
    /// Tickets given out.
    pub(crate) admitted: u64,
    /// Units ordered and paid for at the end.
    pub(crate) ordered: u64,
    /// Buyers refused.
    pub(crate) refused: u64,
    /// Tickets cancelled by their buyers.
    pub(crate) cancelled: u64,
    /// Orders never paid, whose units were sold again.
    pub(crate) released: u64,
    /// Tickets of the standby line that were still waiting at the close.
    pub(crate) expired: u64,
    /// Repeated Enqueues answered with the same ticket.
    pub(crate) repeated: u64,
    /// Status answers given.
    pub(crate) polls: u64,
    /// Units left unsold.
    pub(crate) unsold: u64,
    /// Units sold or admitted beyond what there was.
    pub(crate) oversold: u64,
    /// Acknowledged tickets that came to nothing.
    pub(crate) lost: u64,
    /// Tickets or orders that exist twice.
    pub(crate) duplicated: u64,
    /// Overtakings.
    pub(crate) out_of_order: u64,
    /// Answers to first Enqueues, from the opening to the last of them.
    pub(crate) enqueue_rps: f64,
    /// Orders created, from the opening to the last of them.
    pub(crate) orders_rps: f64,
    /// Median latency of an Enqueue, its queueing in the load itself included.
    pub(crate) enqueue_p50_ms: f64,
    /// 99th percentile of the same.
    pub(crate) enqueue_p99_ms: f64,
    /// From the opening to the verdict, in seconds.
    pub(crate) wall_s: f64,
}

impl Summary {
    /// Whether the four faults are all zero.
    pub(crate) fn passed(&self) -> bool {
        self.verdict().passed()
    }

    /// The faults.
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict {
            oversold: self.oversold,
            lost: self.lost,
            duplicated: self.duplicated,
            out_of_order: self.out_of_order,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        let mut row = |name: &str, value: String, remark: String| {
            table.add_row([name.to_owned(), value, remark]);
        };
        let count = |value: u64| indicatif::HumanCount(value).to_string();
        row(
            "buyers",
            count(self.buyers),
            format!("for {} units, at most {} in line", count(self.stock), count(self.cap)),
        );
        row(
            "admitted",
            count(self.admitted),
            format!("{} asked again and got the same ticket", count(self.repeated)),
        );
        row("refused", count(self.refused), "sold out".to_owned());
        row("cancelled", count(self.cancelled), "units freed at once".to_owned());
        row("released", count(self.released), "never paid, units sold again".to_owned());
        row("expired", count(self.expired), "standby line at the close".to_owned());
        row(
            "ordered",
            count(self.ordered),
            format!("{} of {} units unsold", count(self.unsold), count(self.stock)),
        );
        row(
            "enqueues",
            format!("{:.0}/s", self.enqueue_rps),
            format!("p50 {:.1} ms, p99 {:.1} ms", self.enqueue_p50_ms, self.enqueue_p99_ms),
        );
        row(
            "orders",
            format!("{:.0}/s", self.orders_rps),
            format!("{} store, {:.1} s in all", self.store, self.wall_s),
        );
        for (name, value) in [
            ("oversold", self.oversold),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("out of order", self.out_of_order),
        ] {
            row(name, count(value), if value == 0 { "✓" } else { "✗ must be 0" }.to_owned());
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}
