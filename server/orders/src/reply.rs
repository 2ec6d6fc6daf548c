//! Sends answers to the streams that their entries came from.

use std::{collections::HashMap, time::Instant};

use inrush_proto::v1::{OrderCreated, OrderRejected, OrderResult, OrderRetry, order_result};
use tokio::sync::mpsc;

/// Where the answer to one entry is sent.
#[derive(Clone)]
pub(crate) struct Reply {
    stream: u64,
    answers: mpsc::Sender<Answers>,
}

/// Answers for one stream, and when they are due.
pub(crate) struct Answers {
    pub(crate) due: Instant,
    pub(crate) results: Vec<OrderResult>,
}

impl Reply {
    /// A reply on this stream; the number identifies it.
    pub(crate) fn new(stream: u64, answers: mpsc::Sender<Answers>) -> Self {
        Self { stream, answers }
    }

    /// Whether the client has disconnected.
    pub(crate) fn is_closed(&self) -> bool {
        self.answers.is_closed()
    }

    /// Resolves when the client has disconnected.
    pub(crate) async fn closed(&self) {
        self.answers.closed().await;
    }
}

/// Answers that are sent together, by stream.
pub(crate) struct Outbox {
    due: Instant,
    streams: HashMap<u64, (mpsc::Sender<Answers>, Vec<OrderResult>)>,
}

impl Outbox {
    /// An empty outbox, whose answers are due at this time.
    pub(crate) fn new(due: Instant) -> Self {
        Self { due, streams: HashMap::new() }
    }

    /// Adds an answer to an attempt of a ticket.
    pub(crate) fn add(
        &mut self,
        reply: &Reply,
        ticket_id: String,
        attempt: u32,
        outcome: order_result::Outcome,
    ) {
        let (_, results) =
            self.streams.entry(reply.stream).or_insert_with(|| (reply.answers.clone(), Vec::new()));
        results.push(OrderResult { ticket_id, attempt, outcome: Some(outcome) });
    }

    /// Passes the answers to the streams. Never waits: a stream has room for as many answers as it may have
    /// unanswered entries. Answers for a stream that has ended are dropped; their entries will be sent again.
    pub(crate) fn send(self) {
        for (answers, results) in self.streams.into_values() {
            if let Err(mpsc::error::TrySendError::Full(_)) =
                answers.try_send(Answers { due: self.due, results })
            {
                tracing::error!("stream has more answers than entries; this is a defect");
            }
        }
    }
}

/// The order exists.
pub(crate) fn created(order_id: String) -> order_result::Outcome {
    order_result::Outcome::Created(OrderCreated { order_id })
}

/// There will be no order.
pub(crate) fn rejected(reason: &str) -> order_result::Outcome {
    order_result::Outcome::Rejected(OrderRejected { reason: reason.to_owned() })
}

/// Not now. The delay is left to fulfilment's backoff.
pub(crate) fn retry(reason: &str) -> order_result::Outcome {
    order_result::Outcome::Retry(OrderRetry { retry_after: None, reason: reason.to_owned() })
}
