//! Limits the rate of a warning that would otherwise be logged thousands of times.

use std::time::Duration;

use inrush_runtime::token_bucket::TokenBucket;
use tokio::time::Instant;

/// The shortest interval between two warnings of one kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Allows one warning per [`INTERVAL`].
#[derive(Debug)]
pub(crate) struct LogThrottle(TokenBucket);

impl Default for LogThrottle {
    fn default() -> Self {
        Self(TokenBucket::new(INTERVAL.as_secs_f64().recip(), 1.0, Instant::now().into_std()))
    }
}

impl LogThrottle {
    /// Whether a warning may be logged now.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        self.0.try_spend(now.into_std())
    }
}
