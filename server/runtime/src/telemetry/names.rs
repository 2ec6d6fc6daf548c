//! Which names have metrics of their own, where there may be more names than a scraper can bear.
//!
//! The first names that are mentioned get series of their own, up to a limit; all others are together under
//! [`OTHERS`]. A name that has not been mentioned for [`FORGOTTEN_AFTER`] loses its series, and its place goes to the
//! next that is mentioned.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The name under which all are together that have no series of their own. No sale can have it.
pub const OTHERS: &str = "(other)";

/// How long a name keeps its series after it was mentioned last: longer than any collector takes to look, and than an
/// operator takes to look back at a sale that is over.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// The names with series of their own. Clones share them.
#[derive(Clone, Debug)]
pub struct Names {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    /// When each was mentioned last.
    mentioned: Mutex<HashMap<Arc<str>, Instant>>,
    /// Counts how often places became free.
    departures: AtomicU64,
}

impl Names {
    /// At most so many names with series of their own.
    #[must_use]
    pub fn at_most(most: usize) -> Self {
        Self { shared: Arc::new(Shared { most, mentioned: Mutex::default(), departures: AtomicU64::new(0) }) }
    }

    /// How many names have series of their own at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.shared.most
    }

    /// Mentions a name. None: it has no series of its own.
    pub fn mention(&self, name: &str) -> Option<Arc<str>> {
        self.mention_at(name, Instant::now())
    }

    pub(super) fn mention_at(&self, name: &str, now: Instant) -> Option<Arc<str>> {
        let mut mentioned = self.mentioned();
        if let Some((name, last)) =
            mentioned.get_key_value(name).map(|(name, last)| (Arc::clone(name), *last))
        {
            mentioned.insert(Arc::clone(&name), last.max(now));
            return Some(name);
        }
        if mentioned.len() >= self.shared.most {
            return None;
        }
        let name: Arc<str> = name.into();
        mentioned.insert(Arc::clone(&name), now);
        Some(name)
    }

    /// Whether a name has series of its own.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.mentioned().contains_key(name)
    }

    /// Forgets the names that nobody has mentioned for long.
    pub(super) fn forget_old(&self, now: Instant) {
        let mut mentioned = self.mentioned();
        let before = mentioned.len();
        mentioned.retain(|_, last| now.saturating_duration_since(*last) < FORGOTTEN_AFTER);
        if mentioned.len() < before {
            self.shared.departures.fetch_add(1, Ordering::Release);
        }
    }

    /// Rises whenever a name lost its series: what was remembered about names is then to be asked anew.
    pub(super) fn departures(&self) -> u64 {
        self.shared.departures.load(Ordering::Acquire)
    }

    /// The map is whole after each statement, so the lock's poison says nothing.
    fn mentioned(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        self.shared.mentioned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_have_series_until_nobody_mentions_them() {
        let names = Names::at_most(2);
        let start = Instant::now();
        let mention = |name, at: u64| names.mention_at(name, start + Duration::from_secs(at)).is_some();
        assert!(mention("a", 0) && mention("b", 0));
        assert!(!mention("c", 1), "there is no place for a third");
        assert!(mention("b", 3599));
        names.forget_old(start + FORGOTTEN_AFTER);
        assert_eq!(names.departures(), 1);
        assert!(!names.has("a") && names.has("b"));
        assert!(mention("c", 3601), "its place went to the next");
        assert!(!mention("a", 3602));
    }

    #[test]
    fn no_place_is_no_series_for_anybody() {
        assert!(Names::at_most(0).mention("a").is_none());
    }
}
