//! The code with which a process leaves: 0 fine, 1 a run that failed, 2 usage or configuration.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::listen::ListenError;
use crate::secret::SecretError;
use crate::telemetry::TelemetryError;
use crate::tls::TlsError;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It did what it was asked to do.
    Fine,
    /// It ran and failed.
    Failed,
    /// It could not start, because of how it was called or configured; running it again changes nothing.
    Usage,
}

impl ExitStatus {
    /// The status for an error that reached `main`, judged by its whole chain of causes.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let is_usage = error.chain().any(|cause| {
            cause.is::<UsageError>()
                || cause.is::<ConfigError>()
                || cause.is::<SecretError>()
                || cause.is::<TlsError>()
                || cause.is::<ListenError>()
                || matches!(
                    cause.downcast_ref(),
                    Some(TelemetryError::Level { .. } | TelemetryError::Setting(_))
                )
        });
        if is_usage { Self::Usage } else { Self::Failed }
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// A mistake in how a command was called, for callers that have no better type for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// A mistake, in words that say how to call the command instead.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The end of `main`: tells the user what went wrong, if anything did, and gives the exit code.
#[must_use]
pub fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitStatus::Fine.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitStatus::of(&error).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;
    use crate::config::Problem;

    #[test]
    fn usage_is_told_from_failure_at_any_depth() {
        let config: ConfigError = Problem::NotText { variable: "INRUSH_X".to_owned() }.into();
        let wrapped = Err::<(), _>(config).context("cannot start the front").unwrap_err();
        let level = TelemetryError::Level { level: "loud".to_owned(), reason: "unknown".to_owned() };
        for (error, status) in [
            (wrapped, ExitStatus::Usage),
            (UsageError::new("--buyers must be at least 1").into(), ExitStatus::Usage),
            (level.into(), ExitStatus::Usage),
            (TelemetryError::StartedTwice.into(), ExitStatus::Failed),
            (anyhow!("3 units oversold"), ExitStatus::Failed),
        ] {
            assert_eq!(ExitStatus::of(&error), status, "{error:#}");
        }
    }

    #[test]
    fn codes_are_as_documented() {
        assert_eq!(
            [ExitStatus::Fine, ExitStatus::Failed, ExitStatus::Usage].map(ExitStatus::code),
            [0, 1, 2]
        );
    }
}
