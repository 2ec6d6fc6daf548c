//! Limits how many values of a label have series of their own, where there may be more values than a scraper can take.
//!
//! The first values get a series each, up to a limit; all others share the label [`OTHER_LABEL`]. A value that was not touched
//! for [`IDLE_TIMEOUT`] loses its series, and the next new value gets it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The label that all values without a series of their own share. It is no valid sale id.
pub const OTHER_LABEL: &str = "_OTHER";

/// How long a value keeps its series after it was touched last: longer than any scrape interval, and long enough to inspect
/// a sale after its end.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The values that have series of their own. Clones share them.
#[derive(Clone, Debug)]
pub struct LabelLimiter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    max: usize,
    /// When each value was touched last.
    touched: Mutex<HashMap<Arc<str>, Instant>>,
    evictions: AtomicU64,
}

impl LabelLimiter {
    /// A limiter for at most `max` values with series of their own.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { shared: Arc::new(Shared { max, touched: Mutex::default(), evictions: AtomicU64::new(0) }) }
    }

    /// The highest number of values with series of their own.
    #[must_use]
    pub fn max(&self) -> usize {
        self.shared.max
    }

    /// Marks a value as in use, and gives it a series if one is free. `None`: it shares [`OTHER_LABEL`].
    pub fn touch(&self, value: &str) -> Option<Arc<str>> {
        self.touch_at(value, Instant::now())
    }

    pub(crate) fn touch_at(&self, value: &str, now: Instant) -> Option<Arc<str>> {
        let mut touched = self.shared.touched.lock();
        if let Some((value, last)) =
            touched.get_key_value(value).map(|(value, last)| (Arc::clone(value), *last))
        {
            touched.insert(Arc::clone(&value), last.max(now));
            return Some(value);
        }
        if touched.len() >= self.shared.max {
            return None;
        }
        let value: Arc<str> = value.into();
        touched.insert(Arc::clone(&value), now);
        Some(value)
    }

    /// Whether a value has series of its own.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.shared.touched.lock().contains_key(value)
    }

    /// Takes the series from values that were not touched for [`IDLE_TIMEOUT`].
    pub(crate) fn evict_idle(&self, now: Instant) {
        let mut touched = self.shared.touched.lock();
        let before = touched.len();
        touched.retain(|_, last| now.saturating_duration_since(*last) < IDLE_TIMEOUT);
        if touched.len() < before {
            self.shared.evictions.fetch_add(1, Ordering::Release);
        }
    }

    /// Rises with every eviction: what a caller cached about values is then out of date.
    pub(crate) fn evictions(&self) -> u64 {
        self.shared.evictions.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_have_series_until_they_are_idle() {
        let limiter = LabelLimiter::new(2);
        let start = Instant::now();
        let touch = |value, at: u64| limiter.touch_at(value, start + Duration::from_secs(at)).is_some();
        assert!(touch("a", 0) && touch("b", 0));
        assert!(!touch("c", 1), "no series is free for a third value");
        assert!(touch("b", 3599));
        limiter.evict_idle(start + IDLE_TIMEOUT);
        assert_eq!(limiter.evictions(), 1);
        assert!(!limiter.contains("a") && limiter.contains("b"));
        assert!(touch("c", 3601), "the series of the evicted value is free");
        assert!(!touch("a", 3602));
    }

    #[test]
    fn a_limit_of_zero_gives_no_value_a_series() {
        assert!(LabelLimiter::new(0).touch("a").is_none());
    }
}
