//! When a command that failed is sent again.

use std::{slice::Iter, time::Duration};

use super::command_error::{CommandError, CommandOutcome};

/// Waits before each retry. A failover takes longer than all of them together: the caller retries after that.
static RETRY_BACKOFF: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(150)];

/// Whether a command may be sent again when it is unknown whether the server executed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// A second execution changes nothing.
    Idempotent,
    /// A second execution would apply it twice.
    NotIdempotent,
}

/// The retries of one command.
pub(super) struct Retries {
    idempotency: Idempotency,
    backoff: Iter<'static, Duration>,
}

impl Retries {
    pub(super) fn new(idempotency: Idempotency) -> Self {
        Self { idempotency, backoff: RETRY_BACKOFF.iter() }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The error of the last attempt, if there is none after it.
    pub(super) async fn after(&mut self, error: CommandError) -> Result<(), CommandError> {
        let retriable = match error.outcome {
            CommandOutcome::NotExecuted => true,
            CommandOutcome::MaybeExecuted => self.idempotency == Idempotency::Idempotent,
            CommandOutcome::ScriptMissing | CommandOutcome::Final => false,
        };
        match self.backoff.next() {
            Some(&wait) if retriable => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            _ => Err(error),
        }
    }
}
