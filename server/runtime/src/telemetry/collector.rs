//! The way to a collector: exporters for traces, logs and metrics on one connection.
//!
//! They live on a runtime and on threads of their own, so that nothing they do takes time from calls. What waits to be sent
//! is bounded; what finds no place, or finds no collector, is dropped.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{LogExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::{self, BatchLogProcessor};
use opentelemetry_sdk::metrics::PeriodicReader;
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::TelemetryError;
use super::metrics::Histograms;
use super::notice::Notice;
use crate::connection_url::ConnectionUrl;

mod metrics;
mod noticed;
mod spans;

use self::metrics::MetricExporter;
use self::noticed::Noticed;
use self::spans::SpanSender;

/// How long the collector may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long it may take to take a batch in.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a span or a log line waits for others to be sent with.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// Most log lines sent together: with a kilobyte each, well below the 4 MiB that a collector takes.
const MOST_LOGS_IN_BATCH: usize = 1024;

/// Most log lines that wait to be sent.
const MOST_LOGS_WAITING: usize = 4 * 1024;

/// A collector, and what brings telemetry there.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    channel: Channel,
    notice: Arc<Notice>,
    _threads: Threads,
}

/// Reads all metrics now and then, and sends them.
pub(super) type Reader = PeriodicReader<Noticed<MetricExporter>>;

/// A runtime that can be dropped anywhere: its end does not wait for what is still on its way.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Collector {
    /// The collector at this address, which is connected to when there is something to send.
    ///
    /// # Errors
    /// If there is no thread for it, or the address is none.
    pub(super) fn new(endpoint: &ConnectionUrl) -> Result<Self, TelemetryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(TelemetryError::NoThread)?;
        let channel = {
            let _inside = runtime.enter();
            Endpoint::from_shared(endpoint.expose().to_owned())
                .map_err(|error| TelemetryError::NoExporter(error.to_string()))?
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(EXPORT_TIMEOUT)
                .connect_lazy()
        };
        let notice = Arc::new(Notice::new(endpoint.to_string()));
        Ok(Self { runtime: runtime.handle().clone(), channel, notice, _threads: Threads(Some(runtime)) })
    }

    /// Takes spans in.
    pub(super) fn spans(&self) -> SpanSender {
        SpanSender::start(self.runtime.clone(), self.channel.clone(), Arc::clone(&self.notice))
    }

    /// Takes log lines in.
    ///
    /// # Errors
    /// If the exporter cannot be made: a defect.
    pub(super) fn logs(&self) -> Result<BatchLogProcessor, TelemetryError> {
        // Connections are made on the runtime in which their exporter was.
        let _inside = self.runtime.enter();
        let exporter = LogExporter::builder()
            .with_tonic()
            .with_channel(self.channel.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TelemetryError::NoExporter(error.to_string()))?;
        let batches = logs::BatchConfigBuilder::default()
            .with_max_queue_size(MOST_LOGS_WAITING)
            .with_max_export_batch_size(MOST_LOGS_IN_BATCH)
            .with_scheduled_delay(BATCH_DELAY)
            .build();
        let exporter = Noticed::new(exporter, &self.notice);
        Ok(BatchLogProcessor::builder(exporter).with_batch_config(batches).build())
    }

    /// Reads all metrics, now and then.
    pub(super) fn metrics(&self, interval: Duration, histograms: Histograms) -> Reader {
        let exporter = MetricExporter::new(self.channel.clone(), histograms);
        let exporter = Noticed::new(exporter, &self.notice);
        PeriodicReader::builder(exporter).with_interval(interval).build()
    }
}

/// In the words of the SDK's own exporters: what a collector says may repeat what it was sent, so only the code is told.
fn failure(status: &Status) -> OTelSdkError {
    OTelSdkError::InternalFailure(format!("the collector answered {}", status.code()))
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
