use futures_util::poll;
use http::Request;
use inrush_telemetry::Metrics;
use tokio::sync::oneshot;
use tower::{ServiceExt as _, service_fn};

use super::*;
use crate::{
    metrics::NodeMetrics,
    rpc::unary::{ResponseBody, message_response},
};

type Answer = Result<Response<ResponseBody>, CallError>;

/// A layer and the metrics that it records to.
struct Recorder {
    metrics: Metrics,
    node: NodeMetrics,
    layer: TelemetryLayer,
}

impl Recorder {
    fn new() -> Self {
        let metrics = Metrics::default();
        let node = NodeMetrics::register(&metrics);
        let layer = TelemetryLayer(CallTelemetry::new(node.core(), Spans::new(None)));
        Self { metrics, node, layer }
    }

    /// How many calls have ended with each code.
    fn ended(&self) -> Vec<(String, u64)> {
        let text = self.metrics.text().unwrap();
        let counts = text.lines().filter_map(|line| {
            let series = line.strip_prefix("rpc_server_call_duration_seconds_count{")?;
            let code = series.split("rpc_response_status_code=\"").nth(1)?.split('"').next()?;
            Some((code.to_owned(), series.rsplit(' ').next()?.parse().ok()?))
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn assert_ended(&self, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
        assert_eq!(self.ended(), expected);
    }

    fn call<F: Future<Output = Answer>>(
        &self,
        answer: F,
    ) -> impl Future<Output = Result<Response<TelemetryBody<ResponseBody>>, CallError>> {
        let mut answer = Some(answer);
        let inner = service_fn(move |_: Call<()>| answer.take().unwrap());
        self.layer.layer(inner).oneshot(Call::new(Request::new(())))
    }
}

async fn message() -> Answer {
    Ok(message_response(bytes::Bytes::from_static(b"answer")))
}

async fn next(body: &mut (impl Body + Unpin)) -> bool {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.is_some()
}

#[tokio::test]
async fn a_call_ends_with_the_status_in_its_trailers() {
    let recorder = Recorder::new();
    let mut body = recorder.call(message()).await.unwrap().into_body();
    assert!(next(&mut body).await);
    recorder.assert_ended(&[]);
    assert!(next(&mut body).await);
    recorder.assert_ended(&[("OK", 1)]);
    drop(body);
    recorder.assert_ended(&[("OK", 1)]);
}

#[tokio::test]
async fn a_call_ends_with_its_error_or_the_status_in_its_head() {
    let recorder = Recorder::new();
    assert!(recorder.call(async { Err(CallError::Overloaded) }).await.is_err());
    recorder.assert_ended(&[("UNAVAILABLE", 1)]);
    let head = Status::not_found("").into_http::<ResponseBody>();
    recorder.call(async { Ok(head) }).await.unwrap();
    recorder.assert_ended(&[("NOT_FOUND", 1), ("UNAVAILABLE", 1)]);
}

#[tokio::test]
async fn a_dropped_future_and_a_dropped_body_are_cancelled_calls() {
    let recorder = Recorder::new();
    let (_never, received) = oneshot::channel::<()>();
    let mut call = Box::pin(recorder.call(async {
        let _never = received.await;
        message().await
    }));
    assert!(poll!(&mut call).is_pending());
    drop(call);
    recorder.assert_ended(&[("CANCELLED", 1)]);
    let mut body = recorder.call(message()).await.unwrap().into_body();
    assert!(next(&mut body).await);
    drop(body);
    recorder.assert_ended(&[("CANCELLED", 2)]);
    assert_eq!(recorder.node.cancelled(), 2);
}

#[tokio::test]
async fn a_panic_is_not_a_cancelled_call() {
    let recorder = Recorder::new();
    let panics = recorder.call(async {
        if recorder.node.cancelled() == 0 {
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
    recorder.assert_ended(&[("INTERNAL", 1)]);
    assert_eq!(recorder.node.cancelled(), 0);
}
