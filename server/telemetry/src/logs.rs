//! Logs on stderr, as text or JSON lines, and by OTLP where a collector is set. stdout is for the output of
//! commands.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use inrush_runtime::settings;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

mod json_with_trace;
mod level;

use self::json_with_trace::JsonWithTrace;
pub use self::level::LogLevel;
use crate::TelemetryError;

/// Targets of the exporter's own transport: to export their lines would produce further lines.
const TRANSPORT_TARGETS: [&str; 5] = ["h2", "hyper", "opentelemetry", "tonic", "tower"];

settings! {
    /// The level and the format of logs.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LogSettings {
        /// Log level, for all modules (`info`) or by module (`info,inrush_front=debug`): `error`, `warn`, `info`,
        /// `debug`, `trace` or `off`.
        pub level: String = "info".to_owned(),
        /// Format of a log line.
        pub format: LogFormat = LogFormat::Auto,
    }
}

settings! {
    /// The format of a log line.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum LogFormat {
        /// Text if stderr is a terminal, otherwise JSON.
        #[default]
        Auto,
        /// Plain text, coloured on a terminal unless `NO_COLOR` is set.
        Text,
        /// One JSON object per line.
        Json,
    }
}

/// Starts the logs of this process, panics included. Once per process.
///
/// # Errors
/// If the level is invalid, or logs were started before.
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
    subscriber.try_init().map_err(|_| TelemetryError::AlreadyStarted)?;
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
    let (filter, level) = LogLevel::new(level)?;
    let exported = collector.map(|collector| {
        OpenTelemetryTracingBridge::new(collector).with_filter(filter_fn(|line| !is_transport(line.target())))
    });
    let subscriber = tracing_subscriber::registry().with(filter).with(lines(style, writer)).with(exported);
    Ok((subscriber, level))
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
            layer.map_event_format(JsonWithTrace).boxed()
        }
    }
}

fn is_transport(target: &str) -> bool {
    TRANSPORT_TARGETS.iter().any(|name| target.starts_with(name))
}

/// Logs a panic, so that it is where all other logs are.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    // Captured only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    tracing::error!(location, thread = thread.name().unwrap_or("unnamed"), backtrace, "panicked: {message}");
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

    /// Captures logs.
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

    /// Logs to a collector only.
    pub(crate) fn log_to(collector: &SdkLoggerProvider, log: impl FnOnce()) {
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
    fn text_is_one_readable_line() {
        let text = log_with("info", Style::Text { colour: false }, |_| {
            tracing::info!(sale = "phone", "sale opened");
        });
        assert!(text.trim_end().ends_with("INFO sale opened sale=\"phone\""), "{text}");
        assert!(!text.contains('\u{1b}'), "colour is off");
    }

    #[test]
    fn json_has_level_message_fields_and_target() {
        let text = log_with("info", Style::Json, |_| tracing::warn!(sale = "phone", "sale held"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "sale held");
        assert_eq!(line["sale"], "phone");
        assert_eq!(line["target"], "inrush_telemetry::logs::tests");
    }

    #[test]
    fn exported_lines_have_their_trace_context() {
        let exporter = InMemoryLogExporter::default();
        let collector = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let (subscriber, _level) = subscriber("debug", Style::Json, io::sink, Some(&collector)).unwrap();
        let (trace, span) = (TraceId::from(7), SpanId::from(8));
        let caller = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
        tracing::subscriber::with_default(subscriber, || {
            let _guard = Context::new().with_remote_span_context(caller).attach();
            tracing::warn!(sale = "phone", "sale held");
            tracing::debug!(target: "h2::codec", "a frame was sent");
        });
        let lines = exporter.get_emitted_logs().unwrap();
        assert_eq!(lines.len(), 1, "lines of the transport are not exported");
        assert_eq!(lines[0].record.body(), Some(&AnyValue::from("sale held")));
        let context = lines[0].record.trace_context().unwrap();
        assert_eq!((context.trace_id, context.span_id), (trace, span));
    }

    #[test]
    fn json_has_trace_and_span_ids_and_text_has_not() {
        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = [("traceparent".parse().unwrap(), caller.parse().unwrap())].into_iter().collect();
        let trace = TraceContext::from_headers(&headers).unwrap();
        let log = |_: &LogLevel| {
            let _guard = trace.context().attach();
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
    fn the_level_can_be_changed_at_run_time() {
        let text = log_with("warn", Style::Text { colour: false }, |level| {
            tracing::info!("first");
            level.set("warn,inrush_telemetry=info").unwrap();
            tracing::info!("second");
            assert!(level.set("inrush_telemetry=loud").is_err());
            tracing::info!("third");
            assert_eq!(level.current(), "inrush_telemetry=info,warn");
        });
        assert!(!text.contains("first") && text.contains("second") && text.contains("third"), "{text}");
    }

    #[test]
    fn an_invalid_level_names_the_valid_ones() {
        let settings = LogSettings { level: "a=b=c".to_owned(), ..LogSettings::default() };
        let error = start(&settings, None).unwrap_err();
        assert!(error.to_string().contains("write error, warn, info, debug or trace"), "{error}");
    }

    #[test]
    fn logs_start_once_and_include_panics() {
        let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let level = start(&settings, None).unwrap();
        assert_eq!(level.current(), "info");
        assert!(matches!(start(&settings, None), Err(TelemetryError::AlreadyStarted)));
        let text = log_with("error", Style::Json, |_| {
            assert!(std::panic::catch_unwind(|| panic!("lost the queue")).is_err());
        });
        // Panics of other tests belong to the test harness.
        drop(std::panic::take_hook());
        assert!(text.contains("panicked: lost the queue") && text.contains("logs.rs"), "{text}");
    }
}
