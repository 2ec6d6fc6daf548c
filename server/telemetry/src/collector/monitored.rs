//! An exporter whose outcomes are recorded.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::export_health::ExportHealth;

/// An exporter, and the health that its outcomes are recorded in.
#[derive(Debug)]
pub(crate) struct Monitored<E> {
    exporter: E,
    health: Arc<ExportHealth>,
}

impl<E> Monitored<E> {
    pub(super) fn new(exporter: E, health: &Arc<ExportHealth>) -> Self {
        Self { exporter, health: Arc::clone(health) }
    }

    async fn record(&self, export: impl Future<Output = OTelSdkResult>) -> OTelSdkResult {
        let outcome = export.await;
        self.health.record(&outcome);
        outcome
    }
}

impl<E: LogExporter> LogExporter for Monitored<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.record(self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Monitored<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.record(self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
