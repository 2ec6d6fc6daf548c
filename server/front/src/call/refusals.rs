//! Refusals of a node that has more calls than it can bear, made once: what a refusal costs is taken from those who are
//! served.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use tonic::Status;

use crate::call_error::CallError;

/// Each asks the caller to come back after another time. Enough to spread callers a little more than their coming was, and so
/// few that a connection's HPACK table of 4 KiB keeps them all: one that was sent before takes a few bytes.
const REFUSALS: usize = 4;

/// The refusals of one core.
pub(super) struct Refusals {
    heads: [Response<()>; REFUSALS],
    next: AtomicUsize,
}

impl Refusals {
    /// Those of an overloaded node.
    pub(super) fn overloaded() -> Self {
        let head = || Status::from(CallError::Overloaded).into_http::<()>();
        Self { heads: std::array::from_fn(|_| head()), next: AtomicUsize::new(0) }
    }

    /// One after the other.
    pub(super) fn next(&self) -> Response<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % REFUSALS;
        self.heads.get(number).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn callers_are_asked_to_come_back_at_different_times() {
        let refusals = Refusals::overloaded();
        let details = (0..REFUSALS).map(|_| refusals.next().headers()["grpc-status-details-bin"].clone());
        assert!(details.collect::<HashSet<_>>().len() > 1);
        assert_eq!(refusals.next().headers()["grpc-status"], "14", "from the first again");
    }
}
