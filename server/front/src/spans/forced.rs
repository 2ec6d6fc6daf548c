//! How many spans are made of calls that were not traced, but failed or were slow. In an overload all do, and a span for each
//! would make it worse.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most that are made in a second on a core, for each reason: enough to see what is wrong.
const MAX_PER_SECOND: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

/// Reason a call's span is made after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It failed, by the server's fault.
    Error,
    /// It took long.
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

/// What may still be made on a core: failures do not use up what is there for slow calls, nor the other way round.
#[derive(Debug, Default)]
pub(super) struct ForcedSpanLimits {
    errors: RateLimiter,
    slow: RateLimiter,
}

/// What may still be made in the present second.
#[derive(Debug, Default)]
struct RateLimiter {
    /// When the second began, and what was made since.
    second: Mutex<Option<(Instant, u32)>>,
}

impl ForcedSpanLimits {
    /// Whether one may be made now.
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
    fn a_second_has_room_for_so_many_and_the_next_for_as_many_again() {
        let limiter = RateLimiter::default();
        let start = Instant::now();
        for second in 0..3 {
            let allowed = (0..1000)
                .filter(|millis| limiter.allow_at(start + SECOND * second + Duration::from_millis(*millis)));
            assert_eq!(u32::try_from(allowed.count()), Ok(MAX_PER_SECOND));
        }
    }

    #[test]
    fn failures_and_slowness_have_room_of_their_own() {
        let limits = ForcedSpanLimits::default();
        while limits.allow(Reason::Error) {}
        assert!(limits.allow(Reason::Slow));
    }
}
