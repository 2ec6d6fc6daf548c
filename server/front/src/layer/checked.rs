//! The future of a layer that checks a call before it lets it through.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::call_error::CallError;

pin_project! {
    /// Resolves to what the inner service answers, or to the error of the check.
    #[project = CheckedProjection]
    pub(crate) enum Checked<F> {
        /// The inner service has the call.
        Passed {
            #[pin]
            inner: F,
        },
        /// The check has failed.
        Failed {
            error: Option<CallError>,
        },
    }
}

impl<F> Checked<F> {
    pub(super) const fn passed(inner: F) -> Self {
        Self::Passed { inner }
    }

    pub(super) const fn failed(error: CallError) -> Self {
        Self::Failed { error: Some(error) }
    }
}

impl<F, T> Future for Checked<F>
where
    F: Future<Output = Result<T, CallError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CheckedProjection::Passed { inner } => inner.poll(context),
            CheckedProjection::Failed { error } => {
                error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
            }
        }
    }
}
