//! Warnings that would otherwise come in thousands.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two warnings of one kind.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// Lets one warning through now and then.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    last: Option<Instant>,
}

impl LogThrottle {
    /// Whether the last warning is long enough ago for another one.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let allow = self.last.is_none_or(|last| now.saturating_duration_since(last) >= BETWEEN_WARNINGS);
        if allow {
            self.last = Some(now);
        }
        allow
    }
}
