//! What a process tells of itself: logs, metrics and traces.
//!
//! Logs go to stderr and metrics to whoever asks the admin server, always. Where a collector is named, all three go there as
//! well, by OTLP; without one nothing is exported and no thread is started for it. [`Telemetry::start`] is the one place
//! where all of it is put together.
//!
//! A metric is defined by a [`Family`] and registered with [`Metrics`]. What many cores count at once is counted in cells
//! of their own: [`Histogram`] for values by size, [`Tally`] for counts by name.

use std::thread;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

mod collector;
mod family;
mod histogram;
mod json_in_trace;
mod logs;
mod metrics;
mod names;
mod notice;
mod process;
mod resource;
mod settings;
mod tally;
mod traces;

pub use self::family::{Buckets, Family, Kind, usual_times};
pub use self::histogram::{Histogram, Recorder};
pub use self::logs::{LogFormat, LogLevel, LogSettings};
pub use self::metrics::{Metrics, Points};
pub use self::names::{Names, OTHERS};
pub use self::process::PROCESS_FAMILIES;
pub use self::resource::Service;
pub use self::settings::{InvalidSetting, TelemetrySettings};
pub use self::tally::{Tally, Teller};
pub use self::traces::{KEPT, Traces};

use self::collector::Collector;
use self::metrics::Histograms;
use self::resource::resource;

/// How long the last of each kind may take to be sent when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The process's telemetry, for as long as it is wanted: keep it until the process ends.
#[derive(Debug)]
#[must_use = "dropping it ends the telemetry"]
pub struct Telemetry {
    log_level: LogLevel,
    metrics: Metrics,
    traces: Option<Traces>,
    export: Option<Export>,
}

/// What has to be sent before the process ends.
#[derive(Debug)]
struct Export {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    metrics: SdkMeterProvider,
    /// The threads on which it is sent.
    _collector: Collector,
}

impl Telemetry {
    /// Starts the telemetry of this process: logs, panics included, metrics, and what goes to a collector. Once per process.
    ///
    /// # Errors
    /// If a setting is out of range or a level not understood, logs were started before, or there is no thread for what is
    /// to be exported.
    pub fn start(
        service: Service,
        logs: &LogSettings,
        settings: &TelemetrySettings,
    ) -> Result<Self, TelemetryError> {
        settings.validate()?;
        let Parts { metrics, traces, export } = Parts::assemble(service, settings)?;
        let log_level = logs::start(logs, export.as_ref().map(|export| &export.logs))?;
        Ok(Self { log_level, metrics, traces, export })
    }

    /// The level of the logs.
    #[must_use]
    pub const fn log_level(&self) -> &LogLevel {
        &self.log_level
    }

    /// Where metrics are registered.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How calls are traced. None: traces go nowhere, so nobody need make any.
    #[must_use]
    pub const fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }

    /// Sends what has not been sent yet, and ends the telemetry but for the logs on stderr. Blocks, for some seconds at most:
    /// not to be called on a runtime's thread.
    pub fn shut_down(self) {
        if let Some(export) = self.export {
            export.flush();
        }
    }
}

/// Telemetry but for the logs on stderr, of which a process has only one.
struct Parts {
    metrics: Metrics,
    traces: Option<Traces>,
    export: Option<Export>,
}

impl Parts {
    fn assemble(service: Service, settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
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
        let (traces, spans) = Traces::over(settings, resource.clone(), collector.spans());
        let reader = collector.metrics(settings.metrics_interval, histograms.clone());
        let metrics = Metrics::new(settings, resource, histograms, Some(reader));
        let provider = metrics.provider().clone();
        let export = Export { traces: spans, logs, metrics: provider, _collector: collector };
        Ok(Self { metrics, traces: Some(traces), export: Some(export) })
    }
}

impl Export {
    /// All kinds at once, so that one that hangs does not take the time of the others. What fails has been told of.
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
                    tracing::warn!("the {name} are lost: {error}");
                }
            }
        });
    }
}

/// Why telemetry cannot be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A level that is not understood.
    #[error(
        "`{level}` is not a log level ({reason}): write error, warn, info, debug or trace, for all modules \
             or for single ones as in `info,inrush_front=debug`"
    )]
    Level {
        /// The level as given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that is out of range.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// A second start in one process.
    #[error("this process has already started its logs")]
    StartedTwice,
    /// A change after the logs ended.
    #[error("this process's logs have ended")]
    Gone,
    /// The operating system gave no thread.
    #[error("cannot start a thread for telemetry")]
    NoThread(#[source] std::io::Error),
    /// A defect: the exporters' own settings are made here.
    #[error("cannot export telemetry: {0}")]
    NoExporter(String),
}

#[cfg(test)]
mod tests;
