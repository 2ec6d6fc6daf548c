//! Logs: for people on a terminal, as JSON lines for everything that collects them, and to a collector where there is one.
//! Always on stderr, since stdout belongs to what a command prints.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::TelemetryError;
use super::json_in_trace::JsonInTrace;
use crate::failure::panic_message;

/// What sends logs to a collector logs itself while it does. Sent as well, each line would bring another.
const TRANSPORT: [&str; 5] = ["h2", "hyper", "opentelemetry", "tonic", "tower"];

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSettings {
    /// The least level that is logged, for everything (`info`) or by module (`info,inrush_front=debug`).
    pub level: String,
    /// What a line looks like.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text if stderr is a terminal, otherwise JSON.
    #[default]
    Auto,
    /// One readable line, coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// One JSON object per line.
    Json,
}

/// What is logged from now on, wherever it goes. Clones share it.
#[derive(Clone, Debug)]
pub struct LogLevel {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogLevel {
    /// Changes the level while the process runs, in the words of [`LogSettings::level`].
    ///
    /// # Errors
    /// If the level is not understood; the old one then stays.
    pub fn set(&self, level: &str) -> Result<(), TelemetryError> {
        let filter = parse_level(level)?;
        self.filter.reload(filter).map_err(|_| TelemetryError::Gone)
    }

    /// The level now in force.
    #[must_use]
    pub fn current(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
impl LogLevel {
    /// The level of logs that go nowhere and end when what comes with it is dropped.
    pub(crate) fn of_nothing(level: &str) -> (Self, impl Sized + use<>) {
        let (logs, filter): (reload::Layer<EnvFilter, Registry>, _) =
            reload::Layer::new(parse_level(level).unwrap());
        (Self { filter }, logs)
    }
}

/// Starts the logs of this process, panics included. Once per process.
///
/// # Errors
/// If the level is not understood, or logs were started before.
pub(super) fn start(
    settings: &LogSettings,
    collector: Option<&SdkLoggerProvider>,
) -> Result<LogLevel, TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = match (settings.format, terminal) {
        (LogFormat::Text, _) | (LogFormat::Auto, true) => Style::Text { colour },
        (LogFormat::Json, _) | (LogFormat::Auto, false) => Style::Json,
    };
    let (subscriber, level) = subscriber(&settings.level, style, std::io::stderr, collector)?;
    subscriber.try_init().map_err(|_| TelemetryError::StartedTwice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(level)
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Text { colour: bool },
    Json,
}

fn subscriber<W>(
    level: &str,
    style: Style,
    writer: W,
    collector: Option<&SdkLoggerProvider>,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogLevel), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let sent = collector.map(|collector| {
        OpenTelemetryTracingBridge::new(collector).with_filter(filter_fn(|line| !is_transport(line.target())))
    });
    let subscriber = tracing_subscriber::registry().with(filter).with(lines(style, writer)).with(sent);
    Ok((subscriber, LogLevel { filter: handle }))
}

fn lines<S, W>(style: Style, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    match style {
        Style::Text { colour } => layer.with_ansi(colour).with_target(false).compact().boxed(),
        Style::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(true).with_span_list(false);
            layer.map_event_format(JsonInTrace).boxed()
        }
    }
}

fn is_transport(target: &str) -> bool {
    TRANSPORT.iter().any(|name| target.starts_with(name))
}

fn parse_level(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), reason: error.to_string() })
}

/// A panic is a log line like any other, so that whoever collects the logs sees it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic_message(panic.payload());
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    // Captured only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), backtrace, "panicked: {message}");
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use opentelemetry::Context;
    use opentelemetry::logs::AnyValue;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
    use opentelemetry_sdk::logs::InMemoryLogExporter;

    use super::*;
    use crate::trace_context::TraceContext;

    /// What was logged, kept for a look.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs to a collector, and nowhere else.
    pub(in crate::telemetry) fn log_to(collector: &SdkLoggerProvider, log: impl FnOnce()) {
        let (subscriber, _level) = subscriber("info", Style::Json, io::sink, Some(collector)).unwrap();
        tracing::subscriber::with_default(subscriber, log);
    }

    fn log_with(level: &str, style: Style, log: impl FnOnce(&LogLevel)) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let (subscriber, level) = subscriber(level, style, move || writer.clone(), None).unwrap();
        tracing::subscriber::with_default(subscriber, || log(&level));
        captured.text()
    }

    #[test]
    fn people_get_one_readable_line() {
        let text = log_with("info", Style::Text { colour: false }, |_| {
            tracing::info!(sale = "phone", "sale opened");
        });
        assert!(text.trim_end().ends_with("INFO sale opened sale=\"phone\""), "{text}");
        assert!(!text.contains('\u{1b}'), "no colour was asked for");
    }

    #[test]
    fn machines_get_json() {
        let text = log_with("info", Style::Json, |_| tracing::warn!(sale = "phone", "sale held"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "sale held");
        assert_eq!(line["sale"], "phone");
        assert_eq!(line["target"], "inrush_runtime::telemetry::logs::tests");
    }

    #[test]
    fn a_collector_gets_lines_with_the_trace_that_they_belong_to() {
        let exporter = InMemoryLogExporter::default();
        let collector = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let (subscriber, _level) = subscriber("debug", Style::Json, io::sink, Some(&collector)).unwrap();
        let (trace, span) = (TraceId::from(7), SpanId::from(8));
        let caller = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
        tracing::subscriber::with_default(subscriber, || {
            let _inside = Context::new().with_remote_span_context(caller).attach();
            tracing::warn!(sale = "phone", "sale held");
            tracing::debug!(target: "h2::codec", "a frame was sent");
        });
        let lines = exporter.get_emitted_logs().unwrap();
        assert_eq!(lines.len(), 1, "what the transport says of itself is not sent");
        assert_eq!(lines[0].record.body(), Some(&AnyValue::from("sale held")));
        let context = lines[0].record.trace_context().unwrap();
        assert_eq!((context.trace_id, context.span_id), (trace, span));
    }

    #[test]
    fn json_says_which_trace_it_belongs_to_and_text_stays_short() {
        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = [("traceparent".parse().unwrap(), caller.parse().unwrap())].into_iter().collect();
        let trace = TraceContext::of_caller(&headers).unwrap();
        let log = |_: &LogLevel| {
            let _inside = trace.context().attach();
            tracing::warn!(sale = "phone", "sale held");
        };
        let line: serde_json::Value = serde_json::from_str(&log_with("info", Style::Json, log)).unwrap();
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((&line["span_id"], &line["sale"]), (&"00f067aa0ba902b7".into(), &"phone".into()));
        let text = log_with("info", Style::Text { colour: false }, log);
        assert!(text.trim_end().ends_with("WARN sale held sale=\"phone\""), "{text}");
        assert!(!log_with("info", Style::Json, |_| tracing::warn!("outside")).contains("trace_id"));
    }

    #[test]
    fn the_level_holds_and_changes_while_running() {
        let text = log_with("warn", Style::Text { colour: false }, |level| {
            tracing::info!("first");
            level.set("warn,inrush_runtime=info").unwrap();
            tracing::info!("second");
            assert!(level.set("inrush_runtime=loud").is_err());
            tracing::info!("third");
            assert_eq!(level.current(), "inrush_runtime=info,warn");
        });
        assert!(!text.contains("first") && text.contains("second") && text.contains("third"), "{text}");
    }

    #[test]
    fn a_wrong_level_says_what_to_write() {
        let settings = LogSettings { level: "a=b=c".to_owned(), ..LogSettings::default() };
        let error = start(&settings, None).unwrap_err();
        assert!(error.to_string().contains("write error, warn, info, debug or trace"), "{error}");
    }

    #[test]
    fn logs_start_once_and_take_panics_along() {
        let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let level = start(&settings, None).unwrap();
        assert_eq!(level.current(), "info");
        assert!(matches!(start(&settings, None), Err(TelemetryError::StartedTwice)));
        let text = log_with("error", Style::Json, |_| {
            assert!(std::panic::catch_unwind(|| panic!("lost the line")).is_err());
        });
        // The other tests of this process want their panics shown by the test harness.
        drop(std::panic::take_hook());
        assert!(text.contains("panicked: lost the line") && text.contains("logs.rs"), "{text}");
    }
}
