//! A limit on the spans that are forced for untraced calls that failed or were slow. In an overload, every call is
//! slow or fails, and a span for each would make it worse.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most forced spans per second on a core, for each reason: enough to find the cause.
const MAX_PER_SECOND: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

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
#[derive(Debug, Default)]
pub(super) struct ForcedSpanLimits {
    errors: RateLimiter,
    slow: RateLimiter,
}

/// At most [`MAX_PER_SECOND`] in each second.
#[derive(Debug, Default)]
struct RateLimiter {
    /// When the current second began, and how many were allowed since.
    second: Mutex<Option<(Instant, u32)>>,
}

impl ForcedSpanLimits {
    /// Whether one more is allowed now.
    pub(super) fn allow(&self, reason: Reason) -> bool {
        let limiter = match reason {
            Reason::Error => &self.errors,
            Reason::Slow => &self.slow,
        };
        limiter.allow_at(Instant::now())
    }
}

impl RateLimiter {
    fn allow_at(&self, now: Instant) -> bool {
        let mut second = self.second.lock();
        let (began, made) = match *second {
            Some((began, made)) if now.saturating_duration_since(began) < SECOND => (began, made),
            _ => (now, 0),
        };
        let allowed = made < MAX_PER_SECOND;
        *second = Some((began, made + u32::from(allowed)));
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_allows_the_maximum_again() {
        let limiter = RateLimiter::default();
        let start = Instant::now();
        for second in 0..3 {
            let allowed = (0..1000)
                .filter(|millis| limiter.allow_at(start + SECOND * second + Duration::from_millis(*millis)));
            assert_eq!(u32::try_from(allowed.count()), Ok(MAX_PER_SECOND));
        }
    }

    #[test]
    fn error_and_slow_spans_have_separate_limits() {
        let limits = ForcedSpanLimits::default();
        while limits.allow(Reason::Error) {}
        assert!(limits.allow(Reason::Slow));
    }
}
