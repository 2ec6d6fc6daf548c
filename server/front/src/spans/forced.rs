//! A limit on the spans that are forced for untraced calls that failed or were slow. In an overload, every call is
//! slow or fails, and a span for each would make it worse.

use std::time::Instant;

use inrush_runtime::token_bucket::TokenBucket;
use parking_lot::Mutex;

/// Forced spans per second on a core, for each reason, and the burst of them: enough to find the cause.
const MAX_PER_SECOND: f64 = 10.0;

/// Why a span is forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The call failed with a server error.
    Error,
    /// The call was slow.
    Slow,
}

impl Reason {
    /// Its name in spans.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
        }
    }
}

/// The limits of a core, one for each reason: errors do not use up what slow calls may have.
#[derive(Debug)]
pub(super) struct ForcedSpanLimits {
    errors: Mutex<TokenBucket>,
    slow: Mutex<TokenBucket>,
}

impl Default for ForcedSpanLimits {
    fn default() -> Self {
        let bucket = TokenBucket::new(MAX_PER_SECOND, MAX_PER_SECOND, Instant::now());
        Self { errors: Mutex::new(bucket.clone()), slow: Mutex::new(bucket) }
    }
}

impl ForcedSpanLimits {
    /// Whether one more is allowed now.
    pub(super) fn allow(&self, reason: Reason) -> bool {
        self.allow_at(reason, Instant::now())
    }

    fn allow_at(&self, reason: Reason, now: Instant) -> bool {
        let bucket = match reason {
            Reason::Error => &self.errors,
            Reason::Slow => &self.slow,
        };
        bucket.lock().try_spend(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_second_allows_the_maximum_again() {
        let limits = ForcedSpanLimits::default();
        let start = Instant::now();
        // The burst, and from then on ten per second.
        for (second, expected) in [(0, 19..=20), (1, 9..=11), (2, 9..=11)] {
            let start = start + Duration::from_secs(second);
            let allowed =
                (0..1000).filter(|&ms| limits.allow_at(Reason::Error, start + Duration::from_millis(ms)));
            let allowed = allowed.count();
            assert!(expected.contains(&allowed), "{allowed} in second {second}");
        }
    }

    #[test]
    fn error_and_slow_spans_have_separate_limits() {
        let limits = ForcedSpanLimits::default();
        while limits.allow(Reason::Error) {}
        assert!(limits.allow(Reason::Slow));
    }
}
