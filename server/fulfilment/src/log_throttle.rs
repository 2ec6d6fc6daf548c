//! Warnings that would otherwise come in thousands.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two warnings of one kind.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// Lets one warning through now and then.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    last: Option<Instant>,
}

impl Seldom {
    /// Whether the last warning is long enough ago for another one.
    pub(crate) fn is_time(&mut self, now: Instant) -> bool {
        let is_time = self.last.is_none_or(|last| now.saturating_duration_since(last) >= BETWEEN_WARNINGS);
        if is_time {
            self.last = Some(now);
        }
        is_time
    }
}
