//! Logs: for people on a terminal, as JSON lines for everything that collects them. Always on stderr, since stdout
//! belongs to what a command prints.
//!
//! [`init`] is the one place where subscribers are put together; traces and metrics that leave the process join here.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::failure::panic_message;

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

/// The process's logs, for as long as they are wanted: keep it until the process ends.
#[derive(Debug)]
#[must_use = "dropping it gives up control over the logs"]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Telemetry {
    /// Changes the level while the process runs, in the words of [`LogSettings::level`].
    ///
    /// # Errors
    /// If the level is not understood; the old one then stays.
    pub fn set_level(&self, level: &str) -> Result<(), TelemetryError> {
        let filter = parse_level(level)?;
        self.filter.reload(filter).map_err(|_| TelemetryError::Gone)
    }

    /// The level now in force.
    #[must_use]
    pub fn level(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_default()
    }
}

/// Starts the logs of this process, panics included. Once per process.
///
/// # Errors
/// If the level is not understood, or logs were started before.
pub fn init(settings: &LogSettings) -> Result<Telemetry, TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = match (settings.format, terminal) {
        (LogFormat::Text, _) | (LogFormat::Auto, true) => Style::Text { colour },
        (LogFormat::Json, _) | (LogFormat::Auto, false) => Style::Json,
    };
    let (subscriber, telemetry) = subscriber(&settings.level, style, std::io::stderr)?;
    subscriber.try_init().map_err(|_| TelemetryError::StartedTwice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(telemetry)
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
) -> Result<(impl Subscriber + Send + Sync + use<W>, Telemetry), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines(style, writer));
    Ok((subscriber, Telemetry { filter: handle }))
}

fn lines<S, W>(style: Style, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    match style {
        Style::Text { colour } => layer.with_ansi(colour).with_target(false).compact().boxed(),
        Style::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    }
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

/// Why logs cannot be started or changed.
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
    /// A second start in one process.
    #[error("this process has already started its logs")]
    StartedTwice,
    /// A change after the logs ended.
    #[error("this process's logs have ended")]
    Gone,
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

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

    fn log_with(level: &str, style: Style, log: impl FnOnce(&Telemetry)) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let (subscriber, telemetry) = subscriber(level, style, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || log(&telemetry));
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
        assert_eq!(line["target"], "inrush_runtime::telemetry::tests");
    }

    #[test]
    fn the_level_holds_and_changes_while_running() {
        let text = log_with("warn", Style::Text { colour: false }, |telemetry| {
            tracing::info!("first");
            telemetry.set_level("warn,inrush_runtime=info").unwrap();
            tracing::info!("second");
            assert!(telemetry.set_level("inrush_runtime=loud").is_err());
            tracing::info!("third");
            assert_eq!(telemetry.level(), "inrush_runtime=info,warn");
        });
        assert!(!text.contains("first") && text.contains("second") && text.contains("third"), "{text}");
    }

    #[test]
    fn a_wrong_level_says_what_to_write() {
        let error = init(&LogSettings { level: "a=b=c".to_owned(), ..LogSettings::default() }).unwrap_err();
        assert!(error.to_string().contains("write error, warn, info, debug or trace"), "{error}");
    }

    #[test]
    fn logs_start_once_and_take_panics_along() {
        let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let telemetry = init(&settings).unwrap();
        assert_eq!(telemetry.level(), "info");
        assert!(matches!(init(&settings), Err(TelemetryError::StartedTwice)));
        let text = log_with("error", Style::Json, |_| {
            assert!(std::panic::catch_unwind(|| panic!("lost the line")).is_err());
        });
        // The other tests of this process want their panics shown by the test harness.
        drop(std::panic::take_hook());
        assert!(text.contains("panicked: lost the line") && text.contains("telemetry.rs"), "{text}");
    }
}
