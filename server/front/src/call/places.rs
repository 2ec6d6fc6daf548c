//! A bound on the calls that one core works on at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

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
    pub(super) fn take(places: &Arc<Self>, path: &str) -> Option<Place> {
        // Made before the check: when it is dropped it is given back.
        let place = Place(Arc::clone(places));
        let taken_before = places.taken.fetch_add(1, Ordering::Relaxed);
        (taken_before < places.most || path.starts_with(ALWAYS_TAKEN)).then_some(place)
    }
}

/// A call's place among those in flight.
pub(super) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_its_call_is_over() {
        let places = Arc::new(Places::new(2));
        let first = Places::take(&places, "/a/b").unwrap();
        let _second = Places::take(&places, "/a/b").unwrap();
        assert!(Places::take(&places, "/a/b").is_none());
        assert!(Places::take(&places, "/grpc.health.v1.Health/Check").is_some());
        drop(first);
        assert!(Places::take(&places, "/a/b").is_some());
    }
}
