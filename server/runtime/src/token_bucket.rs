//! A token bucket. It reads no clock: its callers pass the time.

use std::time::{Duration, Instant};

/// Lets a number of tokens per second pass, and a burst after a quiet time.
#[derive(Debug)]
pub struct TokenBucket {
    /// Tokens per second.
    rate: f64,
    /// The capacity.
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket of `burst` tokens, which is filled with `rate` tokens per second. `rate` must not be 0.
    #[must_use]
    pub const fn new(rate: f64, burst: f64, now: Instant) -> Self {
        Self { rate, burst, tokens: burst, filled_at: now }
    }

    /// How long to wait until this many tokens can be spent; zero when they can be spent now.
    pub fn wait(&mut self, now: Instant, tokens: f64) -> Duration {
        self.fill(now);
        let missing = tokens.min(self.burst) - self.tokens;
        if missing <= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(missing / self.rate) }
    }

    /// Whole tokens that can be spent, up to `limit`.
    pub fn available(&mut self, now: Instant, limit: u32) -> u32 {
        self.fill(now);
        let whole = self.tokens.clamp(0.0, f64::from(limit)).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=limit, a u32"
        )]
        let whole = whole as u32;
        whole
    }

    /// Spends tokens that were available, perhaps a while ago.
    pub fn spend(&mut self, now: Instant, tokens: u32) {
        // First, or else the time since then would fill the bucket a second time.
        self.fill(now);
        self.tokens -= f64::from(tokens);
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.rate).min(self.burst);
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spends as much as the bucket allows for ten seconds and counts.
    fn spend_for_ten_seconds(rate: u32, burst: f64, slice: f64) -> u32 {
        let start = Instant::now();
        let end = start + Duration::from_secs(10);
        let mut bucket = TokenBucket::new(f64::from(rate), burst, start);
        let mut now = start;
        let mut spent = 0;
        while now < end {
            let available = bucket.available(now, 512);
            bucket.spend(now, available);
            spent += available;
            // At least a nanosecond, as rounding may leave a wait that is too short to add up.
            now += bucket.wait(now, slice).max(Duration::from_nanos(1));
        }
        spent
    }

    #[test]
    fn the_rate_is_kept_to_the_token() {
        for rate in [1, 3, 10, 333, 1_000, 20_000] {
            let (burst, slice) = ((rate / 10).max(1), (rate / 100).max(1));
            let spent = spend_for_ten_seconds(rate, f64::from(burst), f64::from(slice));
            assert!(spent <= rate * 10 + burst, "rate {rate}: {spent} spent");
            assert!(spent + slice >= rate * 10, "rate {rate}: {spent} spent");
        }
    }

    #[test]
    fn a_quiet_time_saves_up_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1_000.0, 100.0, start);
        assert_eq!(bucket.available(start + Duration::from_secs(3_600), u32::MAX), 100);
        assert_eq!(bucket.available(start + Duration::from_secs(3_600), 7), 7);
    }

    #[test]
    fn tokens_spent_late_are_not_made_up_for() {
        let start = Instant::now();
        let later = start + Duration::from_secs(60);
        let mut bucket = TokenBucket::new(1_000.0, 100.0, start);
        let available = bucket.available(start, u32::MAX);
        bucket.spend(later, available);
        assert_eq!(bucket.available(later, u32::MAX), 0);
    }

    #[test]
    fn time_that_runs_backwards_adds_nothing() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = TokenBucket::new(10.0, 1.0, start);
        bucket.spend(start, 1);
        assert_eq!(bucket.available(start - Duration::from_secs(5), 10), 0);
        assert_eq!(bucket.available(start, 10), 0);
        assert_eq!(bucket.available(start + Duration::from_millis(101), 10), 1);
    }
}
