//! Telemetry of a process: logs, metrics and traces.
//!
//! Logs go to stderr, and metrics are served on the admin port ([`pages()`]). If a collector is set, all three
//! are exported by OTLP as well; otherwise there is no exporter and no thread for one. [`Telemetry::start`]
//! builds all of it.
//!
//! A metric is defined by a [`MetricDef`] and registered with [`Metrics`]. Values that many cores record
//! concurrently have cells per thread: [`Histogram`] for durations and sizes, [`ShardedCounter`] for counts per
//! label value.

use std::thread;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

pub mod batch_trace;
pub mod spans;
pub mod trace_context;

mod collector;
mod export_health;
mod histogram;
mod label_limiter;
mod logs;
mod metric_def;
mod metrics;
mod pages;
mod process_metrics;
mod resource;
mod settings;
mod sharded_counter;
mod traces;

pub use self::histogram::{Histogram, Recorder};
pub use self::label_limiter::{LabelLimiter, OTHER_LABEL};
pub use self::logs::{LogFormat, LogLevel, LogSettings};
pub use self::metric_def::{Buckets, MetricDef, MetricKind, default_buckets};
pub use self::metrics::{Metrics, Observer};
pub use self::pages::pages;
pub use self::process_metrics::PROCESS_METRICS;
pub use self::resource::Service;
pub use self::settings::{InvalidSetting, TelemetrySettings};
pub use self::sharded_counter::{LocalCounter, ShardedCounter};
pub use self::traces::{SAMPLING_REASON, Traces};

use self::collector::Collector;
use self::metrics::Histograms;
use self::resource::resource;

/// How long the last export of each kind may take when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The telemetry of this process. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends telemetry"]
pub struct Telemetry {
    log_level: LogLevel,
    metrics: Metrics,
    traces: Option<Traces>,
    export: Option<Export>,
}

/// The exporters, which are flushed before the process ends.
#[derive(Debug)]
struct Export {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    metrics: SdkMeterProvider,
    /// The threads of the exporters.
    _collector: Collector,
}

impl Telemetry {
    /// Starts logs (panics included), metrics and the export to a collector. Once per process.
    ///
    /// # Errors
    /// If a setting or the level is invalid, logs were started before, or a thread cannot be started.
    pub fn start(
        service: Service,
        logs: &LogSettings,
        settings: &TelemetrySettings,
    ) -> Result<Self, TelemetryError> {
        settings.validate()?;
        let Parts { metrics, traces, export } = Parts::build(service, settings)?;
        let log_level = logs::start(logs, export.as_ref().map(|export| &export.logs))?;
        Ok(Self { log_level, metrics, traces, export })
    }

    /// The level of the logs.
    #[must_use]
    pub const fn log_level(&self) -> &LogLevel {
        &self.log_level
    }

    /// The metrics of the process.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The tracer and its settings. `None` disables tracing.
    #[must_use]
    pub const fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }

    /// Flushes the exporters and stops them; logs on stderr go on. Blocks for up to 5 s: must not be called on a
    /// runtime's thread.
    pub fn shut_down(self) {
        if let Some(export) = self.export {
            export.flush();
        }
    }
}

/// Telemetry without the logs on stderr, which are global to a process.
struct Parts {
    metrics: Metrics,
    traces: Option<Traces>,
    export: Option<Export>,
}

impl Parts {
    fn build(service: Service, settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let resource = resource(service);
        let histograms = Histograms::default();
        let Some(endpoint) = &settings.otlp_endpoint else {
            let metrics = Metrics::new(settings, resource, histograms, None);
            return Ok(Self { metrics, traces: None, export: None });
        };
        let collector = Collector::new(endpoint)?;
        let logs = SdkLoggerProvider::builder()
            .with_resource(resource.clone())
            .with_log_processor(collector.logs()?)
            .build();
        let (traces, spans) = Traces::with_processor(settings, resource.clone(), collector.spans());
        let reader = collector.metrics(settings.metrics_interval, histograms.clone());
        let metrics = Metrics::new(settings, resource, histograms, Some(reader));
        let provider = metrics.provider().clone();
        let export = Export { traces: spans, logs, metrics: provider, _collector: collector };
        Ok(Self { metrics, traces: Some(traces), export: Some(export) })
    }
}

impl Export {
    /// Flushes all kinds concurrently, so that one that hangs does not delay the others. Failures are logged by
    /// the exporters.
    fn flush(&self) {
        let flushes: [(&str, &(dyn Fn() -> OTelSdkResult + Sync)); 3] = [
            ("last traces", &|| self.traces.shutdown_with_timeout(FLUSH_TIMEOUT)),
            ("last logs", &|| self.logs.shutdown_with_timeout(FLUSH_TIMEOUT)),
            ("last metrics", &|| self.metrics.shutdown_with_timeout(FLUSH_TIMEOUT)),
        ];
        thread::scope(|threads| {
            for (name, flush) in flushes {
                let started = thread::Builder::new().name(name.to_owned()).spawn_scoped(threads, flush);
                if let Err(error) = started {
                    tracing::warn!(%error, "{name} are lost: cannot start a thread");
                }
            }
        });
    }
}

/// An error of telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is invalid.
    #[error(
        "invalid log level `{level}` ({reason}): write error, warn, info, debug or trace, for all modules \
             or by module as in `info,inrush_front=debug`"
    )]
    InvalidLevel {
        /// The level.
        level: String,
        /// The reason.
        reason: String,
    },
    /// A setting is out of range.
    #[error(transparent)]
    InvalidSetting(#[from] InvalidSetting),
    /// A second start in one process.
    #[error("logs are already started")]
    AlreadyStarted,
    /// A change after the end of logs.
    #[error("logs have ended")]
    LogsEnded,
    /// A thread cannot be started.
    #[error("cannot start a thread for telemetry")]
    Thread(#[source] std::io::Error),
    /// An exporter cannot be built: a defect.
    #[error("cannot build a telemetry exporter: {0}")]
    Exporter(String),
}

impl TelemetryError {
    /// Whether the configuration is wrong, so that another start cannot succeed.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::InvalidLevel { .. } | Self::InvalidSetting(_))
    }
}

#[cfg(test)]
mod tests;
