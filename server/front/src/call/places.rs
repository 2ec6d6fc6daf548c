//! A bound on the calls that one core works on at once.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Whoever checks whether a busy node is alive must not be told that it is not.
const ALWAYS_TAKEN: &str = "/grpc.health.v1.Health/";

/// The places of a core, for all its connections together.
pub(super) struct Places {
    most: usize,
    taken: AtomicUsize,
}

impl Places {
    /// So many places, all free.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    /// A place for a call of `path`, until it is dropped. None: all are taken.
    pub(super) fn take(&self, path: &str) -> Option<Place<'_>> {
        // Made before the check: when it is dropped it is given back.
        let place = Place(self);
        let taken_before = self.taken.fetch_add(1, Ordering::Relaxed);
        (taken_before < self.most || path.starts_with(ALWAYS_TAKEN)).then_some(place)
    }
}

/// A call's place among those in flight.
pub(super) struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_its_call_is_over() {
        let places = Places::new(2);
        let first = places.take("/a/b").unwrap();
        let _second = places.take("/a/b").unwrap();
        assert!(places.take("/a/b").is_none());
        assert!(places.take("/grpc.health.v1.Health/Check").is_some());
        drop(first);
        assert!(places.take("/a/b").is_some());
    }
}
