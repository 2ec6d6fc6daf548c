//! The level of logs, which can be changed while the process runs.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Registry, reload};

use crate::TelemetryError;

/// The level of the logs of this process. Clones share it.
#[derive(Clone, Debug)]
pub struct LogLevel {
    filter: reload::Handle<Targets, Registry>,
}

impl LogLevel {
    /// A level and the layer that applies it, in the syntax of [`LogSettings::level`](super::LogSettings::level).
    pub(super) fn new(level: &str) -> Result<(reload::Layer<Targets, Registry>, Self), TelemetryError> {
        let (layer, filter) = reload::Layer::new(parse(level)?);
        Ok((layer, Self { filter }))
    }

    /// Changes the level, in the syntax of [`LogSettings::level`](super::LogSettings::level).
    ///
    /// # Errors
    /// If the level is invalid; the level then stays as it was.
    pub fn set(&self, level: &str) -> Result<(), TelemetryError> {
        self.filter.reload(parse(level)?).map_err(|_| TelemetryError::LogsEnded)
    }

    /// The current level.
    #[must_use]
    pub fn current(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
impl LogLevel {
    /// A level that no logs use. It ends when the second value is dropped.
    pub(crate) fn detached(level: &str) -> (Self, impl Sized + use<>) {
        let (layer, level) = Self::new(level).unwrap();
        (level, layer)
    }
}

fn parse(level: &str) -> Result<Targets, TelemetryError> {
    let invalid = |reason: String| TelemetryError::InvalidLevel { level: level.to_owned(), reason };
    // `Targets` reads an empty entry as every module at `trace`, and a misspelled level and a filter by span as the name of
    // a module.
    let entries: Vec<_> = level.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    if entries.is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    if let Some(entry) = entries.iter().find(|entry| entry.contains(['[', ']', '{', '}'])) {
        return Err(invalid(format!("`{entry}` filters by span or field, which is not supported")));
    }
    let is_unknown = |entry: &str| !entry.contains('=') && entry.parse::<LevelFilter>().is_err();
    if let Some(entry) = entries.iter().find(|entry| is_unknown(entry)) {
        return Err(invalid(format!("`{entry}` is not a level")));
    }
    entries.join(",").parse().map_err(|error| invalid(format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_all_modules_or_by_module() {
        for (level, shown) in [
            ("info", "info"),
            ("INFO", "info"),
            ("off", "off"),
            ("info,inrush_front=debug", "inrush_front=debug,info"),
            (" info , inrush_front=debug, ", "inrush_front=debug,info"),
        ] {
            assert_eq!(
                parse(level).map(|targets| targets.to_string()).ok().as_deref(),
                Some(shown),
                "{level}"
            );
        }
    }

    #[test]
    fn an_invalid_level_is_refused_with_the_reason_and_the_valid_ones() {
        for (level, reason) in [
            ("", "it is empty"),
            (" , ", "it is empty"),
            ("a=b=c", "too many '='"),
            ("inrush_front=loud", "error parsing level filter"),
            ("loud", "`loud` is not a level"),
            ("inrush_front,info", "`inrush_front` is not a level"),
            ("info,[call]=debug", "`[call]=debug` filters by span or field, which is not supported"),
            ("inrush_front[{sale}]=debug", "which is not supported"),
        ] {
            let error = parse(level).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.contains("write error, warn, info, debug or trace"), "{error}");
        }
    }
}
