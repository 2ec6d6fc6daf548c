//! Spans of the store's operations for traced calls and entries.

use std::sync::Arc;

use inrush_core::{Store, StoreError};
use inrush_store::instrumented::{CompletedOperation, Observer, instrument};
use inrush_telemetry::{Traces, spans::DatabaseCall};
use opentelemetry::Context;

/// Records a span for each operation whose context is part of a trace.
pub(super) fn traced(store: Arc<dyn Store>, traces: Option<&Traces>) -> Arc<dyn Store> {
    match traces {
        Some(traces) => instrument(store, Arc::new(StoreSpans(traces.clone()))),
        None => store,
    }
}

struct StoreSpans(Traces);

impl Observer for StoreSpans {
    fn for_own_connection(&self) -> Arc<dyn Observer> {
        Arc::new(Self(self.0.clone()))
    }

    fn on_complete(&self, completed: &CompletedOperation<'_>) {
        let run = DatabaseCall {
            system: completed.backend,
            operation: completed.operation.name(),
            batch: completed.size,
            took: completed.duration,
            error: completed.error.map(StoreError::kind),
        };
        Context::map_current(|context| run.record(&self.0, context));
    }
}
