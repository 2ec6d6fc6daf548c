//! A token bucket that keeps no time of its own: whoever asks says what time it is.

use std::time::{Duration, Instant};

/// After a quiet time, so many seconds' worth of tokens may be spent at once.
const BURST_SECONDS: f64 = 0.1;
/// While tokens are scarce, so many seconds' worth are saved up before they are spent: a transaction for a handful of
/// orders instead of one for each.
const SLICE_SECONDS: f64 = 0.01;

/// Lets `rate` tokens pass per second.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket. `rate` must not be 0.
    pub(crate) fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate);
        Self { rate, tokens: burst(rate), filled_at: now }
    }

    /// How long to wait until a slice of tokens can be spent; zero when one can be spent now.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let missing = slice(self.rate) - self.tokens;
        if missing <= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(missing / self.rate) }
    }

    /// Whole tokens that can be spent, up to `limit`.
    pub(crate) fn available(&mut self, now: Instant, limit: u32) -> u32 {
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
    pub(crate) fn spend(&mut self, now: Instant, tokens: u32) {
        // First, or else the time since then would fill the bucket a second time.
        self.fill(now);
        self.tokens -= f64::from(tokens);
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.rate).min(burst(self.rate));
        self.filled_at = self.filled_at.max(now);
    }
}

fn burst(rate: f64) -> f64 {
    (rate * BURST_SECONDS).max(1.0)
}

fn slice(rate: f64) -> f64 {
    (rate * SLICE_SECONDS).max(1.0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::TokenBucket;

    /// Spends as much as the bucket allows for ten seconds and counts.
    fn spend_for_ten_seconds(rate: u32) -> u32 {
        let start = Instant::now();
        let end = start + Duration::from_secs(10);
        let mut bucket = TokenBucket::new(rate, start);
        let mut now = start;
        let mut spent = 0;
        while now < end {
            let available = bucket.available(now, 512);
            bucket.spend(now, available);
            spent += available;
            // At least a nanosecond, as rounding may leave a wait that is too short to add up.
            now += bucket.wait(now).max(Duration::from_nanos(1));
        }
        spent
    }

    #[test]
    fn the_rate_is_kept_to_the_token() {
        for rate in [1, 3, 10, 333, 1_000, 20_000] {
            let spent = spend_for_ten_seconds(rate);
            let burst = (rate / 10).max(1);
            assert!(spent <= rate * 10 + burst, "rate {rate}: {spent} spent");
            assert!(spent + (rate / 100).max(1) >= rate * 10, "rate {rate}: {spent} spent");
        }
    }

    #[test]
    fn a_quiet_time_saves_up_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1_000, start);
        assert_eq!(bucket.available(start + Duration::from_secs(3_600), u32::MAX), 100);
        assert_eq!(bucket.available(start + Duration::from_secs(3_600), 7), 7);
    }

    #[test]
    fn tokens_spent_late_are_not_made_up_for() {
        let start = Instant::now();
        let later = start + Duration::from_secs(60);
        let mut bucket = TokenBucket::new(1_000, start);
        let available = bucket.available(start, u32::MAX);
        bucket.spend(later, available);
        assert_eq!(bucket.available(later, u32::MAX), 0);
    }

    #[test]
    fn time_that_runs_backwards_adds_nothing() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = TokenBucket::new(10, start);
        bucket.spend(start, 1);
        assert_eq!(bucket.available(start - Duration::from_secs(5), 10), 0);
        assert_eq!(bucket.available(start, 10), 0);
        assert_eq!(bucket.available(start + Duration::from_millis(101), 10), 1);
    }
}
