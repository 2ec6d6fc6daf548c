//! Exit codes: 0 success, 1 a failed run, 2 wrong usage or configuration.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::config::ConfigError;
use crate::listen::ListenError;
use crate::secret::SecretError;
use crate::tls::TlsError;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It succeeded.
    Success,
    /// It ran and failed.
    Failure,
    /// It could not start: the command line or the configuration is wrong.
    Usage,
}

impl ExitStatus {
    /// The status for an error that reached `main`, by its whole chain of causes.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let is_usage = error.chain().any(|cause| {
            cause.is::<UsageError>()
                || cause.is::<ConfigError>()
                || cause.is::<SecretError>()
                || cause.is::<TlsError>()
                || cause.is::<ListenError>()
        });
        if is_usage { Self::Usage } else { Self::Failure }
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// Wrong usage of a command, for callers without an error type of their own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// An error with this message, which has the cause and the remedy.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The end of `main`: prints the error, if there is one, and returns the exit code.
#[must_use]
pub fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitStatus::Success.into(),
        Err(error) => {
            // The exit code is returned also if standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error:#}");
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
    fn usage_errors_are_found_at_any_depth_of_the_chain() {
        let config: ConfigError = Problem::NotText { variable: "INRUSH_X".to_owned() }.into();
        let wrapped = Err::<(), _>(config).context("cannot start the front").unwrap_err();
        for (error, status) in [
            (wrapped, ExitStatus::Usage),
            (UsageError::new("--buyers must be at least 1").into(), ExitStatus::Usage),
            (anyhow!("3 units oversold"), ExitStatus::Failure),
        ] {
            assert_eq!(ExitStatus::of(&error), status, "{error:#}");
        }
    }

    #[test]
    fn exit_codes_are_as_documented() {
        assert_eq!(
            [ExitStatus::Success, ExitStatus::Failure, ExitStatus::Usage].map(ExitStatus::code),
            [0, 1, 2]
        );
    }
}
