//! Exports the metrics of the OpenTelemetry SDK together with our histograms.

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
use crate::histogram::otlp;
use crate::metrics::Histograms;

/// Exports metrics. It replaces the exporter of `opentelemetry-otlp`, which takes the metrics of the SDK only.
#[derive(Debug)]
pub(crate) struct MetricExporter {
    client: MetricsServiceClient<Channel>,
    histograms: Histograms,
    /// The start time of all histograms.
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
        let Some(resource) = request.resource_metrics.first_mut() else { return };
        // All metrics have one scope.
        match resource.scope_metrics.first_mut() {
            Some(scope) => scope.metrics.extend(metrics),
            None => resource
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
