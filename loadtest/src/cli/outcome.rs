//! The outcome of a command.

use std::process::ExitCode;

/// The outcome of a command that has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Passed,
    /// A threshold or a check failed: exit code 1.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::SUCCESS,
            Outcome::Failed => Self::from(1),
        }
    }
}
