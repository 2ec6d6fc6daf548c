//! How fast tickets may be claimed, and how fast they have been.

use std::time::Duration;

use inrush_core::{sale::Pace, time::Timestamp};

/// One ticket in the bucket's unit: milliseconds times thousandths of tickets per second are millionths of tickets.
const TICKET: u64 = 1_000_000;

/// A bucket fills for at most this long without a claim: it keeps the product far below 2⁵³, where the numbers of a
/// Redis script stop being exact.
const MAX_FILL_MS: u64 = 3_600_000;

/// A token bucket that is refilled on access.
#[derive(Clone, Debug)]
pub(super) struct TokenBucket {
    pace: Pace,
    /// Millionths of tickets at `filled_at`.
    level: u64,
    filled_at: Timestamp,
}

impl TokenBucket {
    /// A bucket of one burst.
    pub(super) const fn full(pace: Pace, now: Timestamp) -> Self {
        Self { pace, level: pace.burst * TICKET, filled_at: now }
    }

    /// Fills on from `now` if the clock was set back: the bucket would otherwise stand still until the clock is
    /// where it was.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        self.filled_at = self.filled_at.min(now);
    }

    /// Whole tickets that may be claimed now.
    pub(super) fn tokens(&self, now: Timestamp) -> u64 {
        self.level_at(now) / TICKET
    }

    /// Spends tokens. The caller guarantees that they are there.
    pub(super) fn spend(&mut self, tokens: u64, now: Timestamp) {
        self.level = self.level_at(now) - tokens * TICKET;
        self.filled_at = now;
    }

    /// How long until there is a whole ticket; zero if there is one.
    pub(super) fn until_token(&self, now: Timestamp) -> Duration {
        let missing = TICKET.saturating_sub(self.level_at(now));
        Duration::from_millis(missing.div_ceil(self.pace.millitickets_per_second))
    }

    fn level_at(&self, now: Timestamp) -> u64 {
        let elapsed = now.0.saturating_sub(self.filled_at.0).min(MAX_FILL_MS);
        (self.level + elapsed * self.pace.millitickets_per_second).min(self.pace.burst * TICKET)
    }
}

/// Claims are counted in windows of at least this long …
const MIN_WINDOW_MS: u64 = 1000;

/// … and a window longer than this measures the idle time in it rather than the pace.
const MAX_WINDOW_MS: u64 = 10_000;

/// The pace of the last full window.
#[derive(Clone, Debug, Default)]
pub(super) struct MeasuredPace {
    millitickets_per_second: u64,
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: Timestamp,
    claims: u64,
}

impl MeasuredPace {
    /// Thousandths of tickets per second; 0 when unknown.
    pub(super) const fn millitickets_per_second(&self) -> u64 {
        self.millitickets_per_second
    }

    /// Measures on from `now` if the clock was set back.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        if let Some(window) = &mut self.window {
            window.start = window.start.min(now);
        }
    }

    /// Counts the claims of one call. They belong to the window that begins with them, not to the one that ends.
    pub(super) fn count(&mut self, claims: u64, now: Timestamp) {
        let fresh = Window { start: now, claims };
        let Some(window) = self.window else {
            self.window = Some(fresh);
            return;
        };
        let elapsed = now.0.saturating_sub(window.start.0);
        self.window = Some(if elapsed > MAX_WINDOW_MS {
            self.millitickets_per_second = 0;
            fresh
        } else if elapsed >= MIN_WINDOW_MS {
            self.millitickets_per_second = window.claims * 1_000_000 / elapsed;
            fresh
        } else {
            Window { claims: window.claims + claims, ..window }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_pace() {
        let mut bucket = TokenBucket::full(Pace { millitickets_per_second: 1500, burst: 3 }, Timestamp(0));
        assert_eq!(bucket.tokens(Timestamp(0)), 3);
        bucket.spend(3, Timestamp(0));
        assert_eq!(bucket.until_token(Timestamp(0)), Duration::from_millis(667));
        assert_eq!(bucket.tokens(Timestamp(666)), 0);
        assert_eq!(bucket.tokens(Timestamp(667)), 1);
        assert_eq!(bucket.until_token(Timestamp(667)), Duration::ZERO);
        assert_eq!(bucket.tokens(Timestamp(2000)), 3);
        assert_eq!(bucket.tokens(Timestamp(100_000)), 3);
    }

    #[test]
    fn a_part_of_a_token_is_not_lost_by_spending() {
        let mut bucket = TokenBucket::full(Pace { millitickets_per_second: 1000, burst: 1 }, Timestamp(0));
        bucket.spend(1, Timestamp(0));
        assert_eq!(bucket.tokens(Timestamp(1999)), 1);
        bucket = TokenBucket::full(Pace { millitickets_per_second: 1000, burst: 2 }, Timestamp(0));
        bucket.spend(2, Timestamp(0));
        bucket.spend(1, Timestamp(1500));
        assert_eq!(bucket.until_token(Timestamp(1500)), Duration::from_millis(500));
    }

    #[test]
    fn the_pace_is_that_of_the_last_full_window() {
        let mut measured = MeasuredPace::default();
        let mut after = |claims, millis| {
            measured.count(claims, Timestamp(millis));
            measured.millitickets_per_second()
        };
        assert_eq!(after(10, 1), 0);
        assert_eq!(after(20, 1000), 0);
        assert_eq!(after(1, 1001), 30_000);
        assert_eq!(after(5, 11_001), 100);
        assert_eq!(after(5, 21_002), 0);
    }
}
