//! A future with something that must be told how it ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

/// Learns whether a call was finished. Dropped without having been told, it knows that the call was not.
pub(super) trait Guard {
    fn finished(self);
}

pin_project! {
    /// Runs `inner`, and tells the guard once it is finished.
    pub(super) struct Guarded<F, G> {
        #[pin]
        inner: F,
        guard: Option<G>,
    }
}

impl<F, G> Guarded<F, G> {
    pub(super) fn new(inner: F, guard: G) -> Self {
        Self { inner, guard: Some(guard) }
    }
}

impl<F: Future, G: Guard> Future for Guarded<F, G> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = ready!(this.inner.poll(context));
        if let Some(guard) = this.guard.take() {
            guard.finished();
        }
        Poll::Ready(output)
    }
}
