//! How long a value has been the same.

use std::time::{Duration, Instant};

/// A value, and since when it is the same.
#[derive(Debug)]
pub struct Unchanged<T> {
    value: Option<T>,
    since: Instant,
}

impl<T> Default for Unchanged<T> {
    fn default() -> Self {
        Self { value: None, since: Instant::now() }
    }
}

impl<T: PartialEq> Unchanged<T> {
    /// How long the value has been `value`.
    pub fn see(&mut self, value: T) -> Duration {
        if self.value.as_ref() != Some(&value) {
            *self = Self { value: Some(value), since: Instant::now() };
        }
        self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_begins_the_time_anew() {
        let mut unchanged = Unchanged::default();
        unchanged.see(1);
        unchanged.since = Instant::now().checked_sub(Duration::from_secs(60)).unwrap_or(unchanged.since);
        let before = unchanged.since;
        unchanged.see(1);
        assert_eq!(unchanged.since, before);
        unchanged.see(2);
        assert!(unchanged.since > before);
    }
}
