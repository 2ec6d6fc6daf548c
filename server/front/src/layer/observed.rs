//! Seeing how calls end: by the status of their response, or because the client disconnected.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use crate::call_error::CallError;

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered with this status.
    Answered(Code),
    /// The client disconnected or reset the stream.
    Cancelled,
    /// The handler panicked.
    Panicked,
}

impl Outcome {
    /// The status that stands for it in telemetry.
    pub(super) const fn code(self) -> Code {
        match self {
            Self::Answered(code) => code,
            Self::Cancelled => Code::Cancelled,
            Self::Panicked => Code::Internal,
        }
    }
}

/// Sees one call.
pub(crate) trait CallObserver {
    /// The response begins.
    fn on_response(&mut self) {}

    /// The call has ended. Called once.
    fn on_end(&mut self, outcome: Outcome);
}

/// Reports the end of a call exactly once. Dropped before, the client disconnected or the handler panicked.
pub(crate) struct EndGuard<O: CallObserver> {
    observer: O,
    has_ended: bool,
}

impl<O: CallObserver> EndGuard<O> {
    fn end(mut self, code: Code) {
        self.has_ended = true;
        self.observer.on_end(Outcome::Answered(code));
    }
}

impl<O: CallObserver> Drop for EndGuard<O> {
    fn drop(&mut self) {
        if !self.has_ended {
            let outcome = if thread::panicking() { Outcome::Panicked } else { Outcome::Cancelled };
            self.observer.on_end(outcome);
        }
    }
}

pin_project! {
    /// The future of a call that is observed.
    pub(crate) struct ObservedFuture<F, O: CallObserver> {
        #[pin]
        inner: F,
        guard: Option<EndGuard<O>>,
    }
}

impl<F, O: CallObserver> ObservedFuture<F, O> {
    pub(super) const fn new(inner: F, observer: O) -> Self {
        Self { inner, guard: Some(EndGuard { observer, has_ended: false }) }
    }
}

impl<F, B, O> Future for ObservedFuture<F, O>
where
    F: Future<Output = Result<Response<B>, CallError>>,
    B: Body,
    O: CallObserver,
{
    type Output = Result<Response<ObservedBody<B, O>>, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        let mut guard = this.guard.take();
        Poll::Ready(match answer {
            Ok(response) => {
                if let Some(guard) = &mut guard {
                    guard.observer.on_response();
                }
                // A response without a body has its status in the head.
                if response.body().is_end_stream()
                    && let Some(guard) = guard.take()
                {
                    guard.end(status_in(response.headers()));
                }
                Ok(response.map(|inner| ObservedBody { inner, guard }))
            }
            Err(error) => {
                if let Some(guard) = guard {
                    guard.end(error.code());
                }
                Err(error)
            }
        })
    }
}

pin_project! {
    /// The response body of a call that is observed, until its trailers.
    pub(crate) struct ObservedBody<B, O: CallObserver> {
        #[pin]
        inner: B,
        guard: Option<EndGuard<O>>,
    }
}

/// The body of an error response that was made further out: it is not observed here.
impl<B: Default, O: CallObserver> Default for ObservedBody<B, O> {
    fn default() -> Self {
        Self { inner: B::default(), guard: None }
    }
}

impl<B: Body, O: CallObserver> Body for ObservedBody<B, O> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        let status = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().map(status_in),
            Some(Err(_)) | None => Some(Code::Unknown),
        };
        if let Some(status) = status
            && let Some(guard) = this.guard.take()
        {
            guard.end(status);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The status in the head or the trailers of a response; UNKNOWN if there is none.
fn status_in(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;
    use crate::rpc::response::{ResponseBody, message_response};

    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<Outcome>>>);

    impl CallObserver for Recorder {
        fn on_end(&mut self, outcome: Outcome) {
            self.0.lock().unwrap().push(outcome);
        }
    }

    impl Recorder {
        fn outcomes(&self) -> Vec<Outcome> {
            self.0.lock().unwrap().clone()
        }

        fn observe<F>(&self, inner: F) -> ObservedFuture<F, Self> {
            ObservedFuture::new(inner, self.clone())
        }
    }

    async fn message() -> Result<Response<ResponseBody>, CallError> {
        Ok(message_response(bytes::Bytes::from_static(b"answer")))
    }

    async fn next(body: &mut (impl Body + Unpin)) -> bool {
        std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.is_some()
    }

    #[tokio::test]
    async fn a_call_ends_with_the_status_in_its_trailers() {
        let recorder = Recorder::default();
        let mut body = recorder.observe(message()).await.unwrap().into_body();
        assert!(next(&mut body).await);
        assert_eq!(recorder.outcomes(), [], "the message is not the end");
        assert!(next(&mut body).await);
        assert_eq!(recorder.outcomes(), [Outcome::Answered(Code::Ok)]);
        drop(body);
        assert_eq!(recorder.outcomes().len(), 1, "the end is reported once");
    }

    #[tokio::test]
    async fn a_call_ends_with_its_error_or_the_status_in_its_head() {
        let recorder = Recorder::default();
        let failed =
            recorder.observe(async { Err::<Response<ResponseBody>, _>(CallError::Overloaded) }).await;
        assert!(failed.is_err());
        let head = Status::not_found("").into_http::<ResponseBody>();
        recorder.observe(async { Ok(head) }).await.unwrap();
        assert_eq!(recorder.outcomes(), [Code::Unavailable, Code::NotFound].map(Outcome::Answered));
    }

    #[tokio::test]
    async fn a_dropped_future_and_a_dropped_body_are_cancelled_calls() {
        let recorder = Recorder::default();
        let (_never, received) = oneshot::channel::<()>();
        let mut call = Box::pin(recorder.observe(async {
            let _never = received.await;
            message().await
        }));
        assert!(poll!(&mut call).is_pending());
        drop(call);
        assert_eq!(recorder.outcomes(), [Outcome::Cancelled]);
        let mut body = recorder.observe(message()).await.unwrap().into_body();
        assert!(next(&mut body).await);
        drop(body);
        assert_eq!(recorder.outcomes(), [Outcome::Cancelled, Outcome::Cancelled]);
    }

    #[tokio::test]
    async fn a_panic_is_not_a_cancelled_call() {
        let recorder = Recorder::default();
        let panics = recorder.observe(async {
            if recorder.outcomes().is_empty() {
                panic!("on purpose");
            }
            message().await
        });
        // The future is dropped while its panic unwinds, as a task drops it.
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut panics = Box::pin(panics);
            let _ready = panics.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        }));
        assert!(unwound.is_err());
        assert_eq!(recorder.outcomes(), [Outcome::Panicked]);
        assert_eq!(Outcome::Panicked.code(), Code::Internal);
    }
}
