//! Exporters for traces, logs and metrics, on one connection to a collector.
//!
//! They have a runtime and threads of their own, so that exports do not delay calls. Their queues are bounded; telemetry is
//! dropped when a queue is full or the collector cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use inrush_runtime::connection_url::ConnectionUrl;
use opentelemetry_otlp::{LogExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::{self, BatchLogProcessor};
use opentelemetry_sdk::metrics::PeriodicReader;
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::TelemetryError;
use crate::export_health::ExportHealth;
use crate::metrics::Histograms;

mod metric_exporter;
mod monitored;
mod span_sender;

use self::metric_exporter::MetricExporter;
use self::monitored::Monitored;
use self::span_sender::SpanSender;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long spans and log records are collected into one export.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// Log records in one export: with a kilobyte each, well below the 4 MiB that a collector takes.
const MAX_LOGS_IN_BATCH: usize = 1024;

/// Log records waiting for export.
const MAX_LOGS_WAITING: usize = 4 * 1024;

/// The connection to a collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    channel: Channel,
    health: Arc<ExportHealth>,
    _threads: Threads,
}

/// Exports all metrics at an interval.
pub(crate) type Reader = PeriodicReader<Monitored<MetricExporter>>;

/// A runtime that can be dropped inside another runtime: it is not waited for.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Collector {
    /// A connection to the collector at this address, made at the first export.
    ///
    /// # Errors
    /// If a thread cannot be started, or the address is invalid.
    pub(super) fn new(endpoint: &ConnectionUrl) -> Result<Self, TelemetryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(TelemetryError::Thread)?;
        let channel = {
            let _guard = runtime.enter();
            Endpoint::from_shared(endpoint.expose().to_owned())
                .map_err(|error| TelemetryError::Exporter(error.to_string()))?
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(EXPORT_TIMEOUT)
                .connect_lazy()
        };
        let health = Arc::new(ExportHealth::new(endpoint.to_string()));
        Ok(Self { runtime: runtime.handle().clone(), channel, health, _threads: Threads(Some(runtime)) })
    }

    /// The processor of spans.
    pub(super) fn spans(&self) -> SpanSender {
        SpanSender::start(self.runtime.clone(), self.channel.clone(), Arc::clone(&self.health))
    }

    /// The processor of log records.
    ///
    /// # Errors
    /// If the exporter cannot be built: a defect.
    pub(super) fn logs(&self) -> Result<BatchLogProcessor, TelemetryError> {
        // The exporter spawns its connection on the current runtime.
        let _guard = self.runtime.enter();
        let exporter = LogExporter::builder()
            .with_tonic()
            .with_channel(self.channel.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
        let batches = logs::BatchConfigBuilder::default()
            .with_max_queue_size(MAX_LOGS_WAITING)
            .with_max_export_batch_size(MAX_LOGS_IN_BATCH)
            .with_scheduled_delay(BATCH_DELAY)
            .build();
        let exporter = Monitored::new(exporter, &self.health);
        Ok(BatchLogProcessor::builder(exporter).with_batch_config(batches).build())
    }

    /// The reader of metrics.
    pub(super) fn metrics(&self, interval: Duration, histograms: Histograms) -> Reader {
        let exporter = MetricExporter::new(self.channel.clone(), histograms);
        let exporter = Monitored::new(exporter, &self.health);
        PeriodicReader::builder(exporter).with_interval(interval).build()
    }
}

/// The error of a failed export. A collector's message may repeat what it was sent, so only the code is kept.
fn failure(status: &Status) -> OTelSdkError {
    OTelSdkError::InternalFailure(format!("the collector returned {}", status.code()))
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
