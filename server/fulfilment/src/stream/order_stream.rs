//! One order stream: kept open, written by the in-flight window, and read for results, which become answers.

use std::{error::Error, pin::pin, sync::Arc, time::Duration};

use inrush_proto::v1::{
    CreateOrdersResponse, OrderResult, order_creation_service_client::OrderCreationServiceClient,
};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Endpoint};

use crate::{
    concurrency::AnswerKind,
    log_throttle::LogThrottle,
    metrics::WorkerMetrics,
    settings::Backoff,
    settle::answer::Answer,
    settle::requeuer::Requeuer,
    statistics::{Counter, Statistics},
    stream::in_flight_window::InFlightWindow,
    stream::order_lane::{Credit, LaneId},
    stream::request_stream::RequestStream,
};

/// The time within which an order system must accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time within which the order system may refuse the call or advertise its credit. An order system
/// that sends nothing within this time is taken to be up: it may send nothing before it has received an entry.
const OPEN_TIMEOUT: Duration = Duration::from_millis(250);

/// The time within which the order system must end the stream after this side has.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A peer that vanished is detected within the sum of both.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for the answers of a whole window.
const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// Why a stream ended or could not be opened.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("worker is shutting down")]
    Stopped,
    #[error("order system ended the stream")]
    Finished,
    #[error("connecting failed: {0}")]
    NoConnection(String),
    #[error("{code}: {message}", code = .0.code(), message = .0.message())]
    Broken(Box<Status>),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Broken(Box::new(status))
    }
}

/// Keeps the order stream of one lane open.
pub(crate) struct OrderStream {
    pub(crate) lane: LaneId,
    pub(crate) endpoint: Endpoint,
    pub(crate) window: Arc<InFlightWindow>,
    pub(crate) answers: mpsc::Sender<Vec<Answer>>,
    pub(crate) requeuer: Requeuer,
    pub(crate) statistics: Statistics,
    pub(crate) metrics: WorkerMetrics,
    /// For entries that the order system answers with a retry without a delay.
    pub(crate) retry: Backoff,
    /// For the stream.
    pub(crate) reconnect: Backoff,
    /// Of warnings about answers that no entry waits for.
    pub(crate) unknown_answers: Mutex<LogThrottle>,
}

impl OrderStream {
    /// Streams until cancelled; reconnects with backoff.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0_u32;
        let mut log_throttle = LogThrottle::default();
        while !stop.is_cancelled() {
            let mut answered = false;
            let ended = self.stream(&mut answered, &stop).await;
            self.requeuer.stream_broken(self.window.close(self.lane)).await;
            if matches!(ended, Ended::Stopped) {
                return;
            }
            failures = if answered { 1 } else { failures.saturating_add(1) };
            let retry_after = self.reconnect.delay(failures);
            if log_throttle.allow(Instant::now()) {
                let order_system = self.endpoint.uri();
                tracing::warn!(%order_system, reason = %ended, ?retry_after, "order stream is down; reconnecting");
            }
            tokio::select! {
                () = sleep(retry_after) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Connects and streams until either side ends the stream. Sets `answered` once the order system has answered
    /// an entry. The lane may still be open in the window afterwards.
    async fn stream(&self, answered: &mut bool, stop: &CancellationToken) -> Ended {
        let connected = tokio::select! {
            connected = self.endpoint.connect() => connected,
            () = stop.cancelled() => return Ended::Stopped,
        };
        let channel = match connected {
            Ok(channel) => channel,
            Err(error) => return Ended::NoConnection(root_cause(&error)),
        };
        let (sender, queue) = mpsc::channel(self.window.max_queue_len());
        let outbound = RequestStream { queue, statistics: self.statistics.clone() };
        let mut client = OrderCreationServiceClient::new(channel);
        let mut opening = pin!(async {
            let mut responses = client.create_orders(outbound).await?.into_inner();
            let first_response = responses.message().await?;
            Ok::<_, Status>((responses, first_response))
        });
        let opened = tokio::select! {
            opened = &mut opening => match opened {
                Ok(opened) => Some(opened),
                Err(status) => return status.into(),
            },
            () = sleep(OPEN_TIMEOUT) => None,
            () = stop.cancelled() => return Ended::Stopped,
        };
        let credit = match &opened {
            Some((_, Some(first_response))) => Credit::default().after_message(first_response.credit),
            Some((_, None)) => return Ended::Finished,
            None => Credit::default(),
        };
        self.window.open(self.lane, sender, credit);
        tracing::info!(order_system = %self.endpoint.uri(), ?credit, "order stream is up");
        let mut receiving = pin!(async {
            let (mut responses, mut response) = match opened {
                Some(opened) => opened,
                None => opening.await?,
            };
            while let Some(message) = response {
                *answered |= self.on_response(message).await;
                response = responses.message().await?;
            }
            Ok::<(), Status>(())
        });
        tokio::select! {
            ended = &mut receiving => ended.map_or_else(Ended::from, |()| Ended::Finished),
            () = stop.cancelled() => {
                // Closing the lane ends the stream from this side; the order system then ends it from its own.
                self.requeuer.worker_ending(self.window.close(self.lane)).await;
                let _ = timeout(CLOSE_TIMEOUT, receiving).await;
                Ended::Stopped
            }
        }
    }

    /// Handles a message of the order system. Returns true if it answers an entry.
    async fn on_response(&self, CreateOrdersResponse { results, credit }: CreateOrdersResponse) -> bool {
        self.window.grant(self.lane, credit);
        if results.is_empty() {
            return false;
        }
        let unanswered = self.window.answer(results.iter().map(|result| {
            (result.ticket_id.as_str(), result.attempt, AnswerKind::of(result.outcome.as_ref()))
        }));
        let now = Instant::now();
        for sent in unanswered.iter().flatten().filter_map(|entry| entry.sent) {
            self.metrics.answered(now.saturating_duration_since(sent.at));
        }
        let unknown = unanswered.iter().zip(&results).filter(|(entry, _)| entry.is_none());
        self.on_unknown(unknown.map(|(_, result)| result));
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

impl OrderStream {
    /// Counts answers that no entry in flight waits for, and logs one of them.
    fn on_unknown<'a>(&self, mut answers: impl Iterator<Item = &'a OrderResult>) {
        let Some(OrderResult { ticket_id, attempt, outcome }) = answers.next() else { return };
        self.statistics.add(Counter::Unknown, 1 + answers.count());
        if self.unknown_answers.lock().allow(Instant::now()) {
            tracing::warn!(
                ticket_id,
                attempt,
                ?outcome,
                "answers ignored: the ticket, or this attempt of it, is not in flight on this worker; it came too late, or \
                 the order system made up the ticket id; an order that was created too late is answered again at the next \
                 attempt, and if the ticket is dead, `inrush sale redrive` or `inrush sale audit --repair` settles it"
            );
        }
    }
}

/// Applies the connection settings that every stream has.
pub(crate) fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(RECEIVE_WINDOW)
        .initial_connection_window_size(RECEIVE_WINDOW)
}

/// The last source of an error: the text of a transport error itself has no cause.
fn root_cause(error: &dyn Error) -> String {
    let mut root_cause = error;
    while let Some(source) = root_cause.source() {
        root_cause = source;
    }
    root_cause.to_string()
}
