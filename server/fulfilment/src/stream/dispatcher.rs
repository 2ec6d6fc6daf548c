//! Keeps one order stream open and turns the results that arrive on it into answers.

use std::sync::Arc;

use inrush_proto::v1::CreateOrdersResponse;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::{
    concurrency::AnswerKind,
    log_throttle::LogThrottle,
    metrics::WorkerMetrics,
    settings::Backoff,
    settle::answer::Answer,
    settle::requeuer::Requeuer,
    statistics::{Counter, Statistics},
    stream::in_flight_window::InFlightWindow,
    stream::order_lane::LaneId,
    stream::order_stream::{Ended, stream},
};

/// Keeps the stream of one lane open.
pub(crate) struct Dispatcher {
    pub(crate) lane: LaneId,
    pub(crate) endpoint: Endpoint,
    pub(crate) window: Arc<InFlightWindow>,
    pub(crate) answers: mpsc::Sender<Vec<Answer>>,
    pub(crate) requeuer: Requeuer,
    pub(crate) statistics: Statistics,
    pub(crate) metrics: WorkerMetrics,
    /// For entries that the order system wants to retry without saying when.
    pub(crate) retry: Backoff,
    /// For the stream.
    pub(crate) reconnect: Backoff,
}

impl Dispatcher {
    /// Streams until cancelled; reconnects with backoff.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0_u32;
        let mut log_throttle = LogThrottle::default();
        while !stop.is_cancelled() {
            let mut answered = false;
            let ended = stream(&self, &mut answered, &stop).await;
            self.requeuer.stream_broken(self.window.close(self.lane)).await;
            if matches!(ended, Ended::Stopped) {
                return;
            }
            failures = if answered { 1 } else { failures.saturating_add(1) };
            let pause = self.reconnect.delay(failures);
            if log_throttle.allow(Instant::now()) {
                let order_system = self.endpoint.uri();
                tracing::warn!(%order_system, reason = %ended, retry_after = ?pause, "order stream is down; reconnecting");
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Handles a message of the order system. Returns true if it answers an entry.
    pub(crate) async fn on_response(
        &self,
        CreateOrdersResponse { results, credit }: CreateOrdersResponse,
    ) -> bool {
        self.window.grant(self.lane, credit);
        if results.is_empty() {
            return false;
        }
        let kinds =
            results.iter().map(|result| (result.ticket_id.as_str(), AnswerKind::of(result.outcome.as_ref())));
        let unanswered = self.window.answer(kinds);
        let now = Instant::now();
        for sent in unanswered.iter().flatten().filter_map(|entry| entry.sent) {
            self.metrics.answered(now.saturating_duration_since(sent.at));
        }
        let unknown = unanswered.iter().filter(|entry| entry.is_none()).count();
        self.statistics.add(Counter::Unknown, unknown);
        let answers: Vec<Answer> = unanswered
            .into_iter()
            .zip(results)
            .filter_map(|(unanswered, result)| {
                Some(Answer::from_order_system(unanswered?, result.outcome, &self.retry))
            })
            .collect();
        let answered = !answers.is_empty();
        // The settler outlives every stream; if it has ended, the process is shutting down.
        let _ = self.answers.send(answers).await;
        answered
    }
}
