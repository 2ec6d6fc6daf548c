//! An exporter whose failures are told of.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::telemetry::notice::Notice;

/// Does what the exporter does, and tells when nothing arrives.
#[derive(Debug)]
pub(in crate::telemetry) struct Noticed<E> {
    exporter: E,
    notice: Arc<Notice>,
}

impl<E> Noticed<E> {
    pub(super) fn new(exporter: E, notice: &Arc<Notice>) -> Self {
        Self { exporter, notice: Arc::clone(notice) }
    }

    async fn watch(&self, export: impl Future<Output = OTelSdkResult>) -> OTelSdkResult {
        let outcome = export.await;
        self.notice.of(&outcome);
        outcome
    }
}

impl<E: LogExporter> LogExporter for Noticed<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.watch(self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Noticed<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.watch(self.exporter.export(metrics)).await
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
