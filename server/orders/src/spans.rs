//! Spans of transactions that create orders for entries whose attempts are traced.

use std::time::Duration;

use inrush_telemetry::{Traces, batch_trace::BatchTrace, spans::DatabaseCall};

use crate::{database_url::DatabaseKind, entry::Entry, order_store::OrderStoreError};

/// Makes spans if tracing is enabled.
pub(crate) struct Spans {
    pub(crate) traces: Option<Traces>,
    pub(crate) database: DatabaseKind,
}

impl Spans {
    /// A transaction for these entries has just ended.
    pub(crate) fn of_transaction(&self, entries: &[Entry], took: Duration, error: Option<&OrderStoreError>) {
        let Some(traces) = &self.traces else { return };
        let Some(trace) = BatchTrace::from_members(entries.iter().filter_map(|entry| entry.trace)) else {
            return;
        };
        let run = DatabaseCall {
            system: match self.database {
                DatabaseKind::Memory | DatabaseKind::SqliteFile => "sqlite",
                DatabaseKind::Postgres => "postgresql",
            },
            operation: "create_orders",
            batch: Some(entries.len()),
            took,
            error: error.map(OrderStoreError::kind),
        };
        run.record(traces, &trace.context());
    }
}
