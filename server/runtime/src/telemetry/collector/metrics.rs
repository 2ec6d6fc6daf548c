//! Metrics on their way to a collector: those of the OpenTelemetry SDK, and our histograms with them.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::metrics::v1::ScopeMetrics;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tonic::transport::Channel;

use super::failure;
use crate::telemetry::histogram::otlp;
use crate::telemetry::metrics::Histograms;

/// Sends metrics. It stands in the place of the exporter of `opentelemetry-otlp`, which takes nothing but what the SDK has
/// measured.
#[derive(Debug)]
pub(in crate::telemetry) struct MetricExporter {
    client: MetricsServiceClient<Channel>,
    histograms: Histograms,
    /// What histograms hold was recorded since.
    started: SystemTime,
}

impl MetricExporter {
    pub(super) fn new(channel: Channel, histograms: Histograms) -> Self {
        Self { client: MetricsServiceClient::new(channel), histograms, started: SystemTime::now() }
    }

    fn add_histograms(&self, request: &mut ExportMetricsServiceRequest) {
        let now = SystemTime::now();
        let recorded = self.histograms.all();
        let metrics = recorded.iter().filter_map(|histogram| otlp::metric(histogram, self.started, now));
        let Some(process) = request.resource_metrics.first_mut() else { return };
        // All of our metrics are of one scope.
        match process.scope_metrics.first_mut() {
            Some(scope) => scope.metrics.extend(metrics),
            None => process
                .scope_metrics
                .push(ScopeMetrics { metrics: metrics.collect(), ..ScopeMetrics::default() }),
        }
    }
}

impl PushMetricExporter for MetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut request = ExportMetricsServiceRequest::from(metrics);
        self.add_histograms(&mut request);
        // A clone shares the connection.
        self.client.clone().export(request).await.map(drop).map_err(|status| failure(&status))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
