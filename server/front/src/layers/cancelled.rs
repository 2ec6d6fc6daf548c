//! Counting calls that their callers gave up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::body::Body;
use tower::Service;

use super::guarded::{Guard, Guarded};

/// How many calls ended in ways that no answer shows, since the node's start. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct CallCounts {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    cancelled: AtomicU64,
    shed: AtomicU64,
}

impl CallCounts {
    /// Calls whose callers hung up before the answer.
    #[must_use]
    pub fn cancelled(&self) -> u64 {
        self.counts.cancelled.load(Ordering::Relaxed)
    }

    /// Calls refused because the node had too many.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.counts.shed.load(Ordering::Relaxed)
    }

    pub(super) fn count_shed(&self) {
        self.counts.shed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts calls that are dropped before they are answered.
#[derive(Clone)]
pub(super) struct CountCancelled<S> {
    inner: S,
    counts: CallCounts,
}

impl<S> CountCancelled<S> {
    pub(super) fn around(inner: S, counts: CallCounts) -> Self {
        Self { inner, counts }
    }
}

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for CountCancelled<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Guarded<S::Future, Unanswered>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let unanswered = Unanswered { counts: self.counts.clone(), answered: false };
        Guarded::new(self.inner.call(request), unanswered)
    }
}

/// Counts itself as cancelled unless it was told of an answer.
pub(super) struct Unanswered {
    counts: CallCounts,
    answered: bool,
}

impl Guard for Unanswered {
    fn finished(mut self) {
        self.answered = true;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.answered {
            self.counts.counts.cancelled.fetch_add(1, Ordering::Relaxed);
        }
    }
}
