//! Limits the rate of a warning that would otherwise be logged thousands of times.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest interval between two warnings of one kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Allows one warning per [`INTERVAL`].
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    last: Option<Instant>,
}

impl LogThrottle {
    /// Whether a warning may be logged now.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let allowed = self.last.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if allowed {
            self.last = Some(now);
        }
        allowed
    }
}
