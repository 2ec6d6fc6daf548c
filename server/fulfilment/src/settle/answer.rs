//! The order system's result for an entry, as an outcome for the store.

use std::time::Duration;

use inrush_core::{
    SaleId,
    store::{Outcome, Settlement},
};
use inrush_proto::v1::{OrderCreated, OrderRejected, OrderRetry, order_result};
use inrush_telemetry::trace_context::TraceContext;

use crate::{
    concurrency::AnswerKind, settings::Backoff, stream::attempt_span::AttemptSpan,
    stream::in_flight_table::InFlightEntry,
};

/// An outcome to be settled.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) sale: SaleId,
    pub(crate) settlement: Settlement,
    /// The trace context of the attempt's span, if there is one.
    pub(crate) trace: Option<TraceContext>,
}

/// Why an entry is requeued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequeueReason {
    /// Its stream broke.
    Broken,
    /// The order system did not answer in time.
    Overdue,
    /// The worker is shutting down.
    Ending,
}

impl RequeueReason {
    /// The reason that a dead letter shows.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Broken => "order stream broke before the answer",
            Self::Overdue => "order system did not answer in time",
            Self::Ending => "worker shut down before the answer",
        }
    }

    /// The `error.type` of its span.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Broken => "stream_broken",
            Self::Overdue => "overdue",
            Self::Ending => "worker_ending",
        }
    }
}

/// The maximum length of an order id, by the contract.
const MAX_ORDER_ID_BYTES: usize = 128;

/// The maximum delay that an order system can ask for: a wrong number must not make a ticket disappear.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3_600);

impl AnswerKind {
    /// What an outcome shows of the state of the order system.
    pub(crate) const fn of(outcome: Option<&order_result::Outcome>) -> Self {
        match outcome {
            Some(order_result::Outcome::Created(_) | order_result::Outcome::Rejected(_)) => Self::Done,
            Some(order_result::Outcome::Retry(_)) | None => Self::Retry,
        }
    }
}

impl Answer {
    /// The order system's result, or its message without one.
    pub(crate) fn from_order_system(
        unanswered: InFlightEntry,
        outcome: Option<order_result::Outcome>,
        backoff: &Backoff,
    ) -> Self {
        let retry = |reason: String| Outcome::Retry { after: backoff.delay(unanswered.attempt), reason };
        let outcome = match outcome {
            Some(order_result::Outcome::Created(OrderCreated { order_id })) => match order_id.len() {
                1..=MAX_ORDER_ID_BYTES => Outcome::Ordered { order_id },
                bytes => retry(format!(
                    "order system returned an order id of {bytes} bytes; 1 to {MAX_ORDER_ID_BYTES} are allowed"
                )),
            },
            Some(order_result::Outcome::Rejected(OrderRejected { reason })) => Outcome::Rejected { reason },
            Some(order_result::Outcome::Retry(OrderRetry { retry_after, reason })) => {
                match retry_after.and_then(|after| Duration::try_from(after).ok()) {
                    Some(after) => Outcome::Retry { after: after.min(MAX_RETRY_AFTER), reason },
                    None => retry(reason),
                }
            }
            None => retry("order system answered without an outcome".to_owned()),
        };
        if let Some(span) = &unanswered.span {
            span.answered(&outcome);
        }
        Self::new(unanswered, outcome)
    }

    /// An entry that is requeued without an answer, to be sent again.
    pub(crate) fn requeue(unanswered: InFlightEntry, after: Duration, why: RequeueReason) -> Self {
        if let Some(span) = &unanswered.span {
            span.requeued(why.name());
        }
        Self::new(unanswered, Outcome::Retry { after, reason: why.reason().to_owned() })
    }

    fn new(InFlightEntry { sale, lease_token, span, .. }: InFlightEntry, outcome: Outcome) -> Self {
        let trace = span.as_ref().map(AttemptSpan::trace);
        Self { sale, settlement: Settlement { lease_token, outcome }, trace }
    }
}

#[cfg(test)]
mod tests {
    use inrush_core::store::LeaseToken;
    use tokio::time::Instant;

    use super::*;
    use crate::stream::order_lane::LaneId;

    const BACKOFF: Backoff =
        Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(1), jitter: 0.0 };

    fn outcome_of(result: Option<order_result::Outcome>) -> Outcome {
        let unanswered = InFlightEntry {
            sale: "phone".parse().unwrap(),
            lease_token: LeaseToken { seq: 1, fence: 1 },
            attempt: 3,
            lane: LaneId(0),
            sent: None,
            span: None,
            lease: Duration::from_secs(30),
            renew_at: Instant::now(),
            overdue_at: Instant::now(),
        };
        Answer::from_order_system(unanswered, result, &BACKOFF).settlement.outcome
    }

    fn created(order_id: String) -> Option<order_result::Outcome> {
        Some(order_result::Outcome::Created(OrderCreated { order_id }))
    }

    fn retry(retry_after: Option<prost_types::Duration>) -> Option<order_result::Outcome> {
        Some(order_result::Outcome::Retry(OrderRetry { retry_after, reason: "busy".to_owned() }))
    }

    fn wait(outcome: &Outcome) -> Duration {
        match outcome {
            Outcome::Retry { after, .. } => *after,
            Outcome::Ordered { .. } | Outcome::Rejected { .. } => panic!("{outcome:?}"),
        }
    }

    #[test]
    fn an_order_id_outside_the_contract_is_a_retry() {
        assert_eq!(outcome_of(created("o-1".into())), Outcome::Ordered { order_id: "o-1".into() });
        assert_eq!(outcome_of(created("x".repeat(128))), Outcome::Ordered { order_id: "x".repeat(128) });
        for id in [String::new(), "x".repeat(129)] {
            assert_eq!(wait(&outcome_of(created(id))), Duration::from_millis(400));
        }
    }

    #[test]
    fn a_retry_waits_as_requested_and_otherwise_with_backoff() {
        let after = |seconds, nanos| retry(Some(prost_types::Duration { seconds, nanos }));
        assert_eq!(wait(&outcome_of(after(2, 500_000_000))), Duration::from_millis(2_500));
        assert_eq!(wait(&outcome_of(after(0, 0))), Duration::ZERO);
        assert_eq!(wait(&outcome_of(after(i64::MAX, 0))), MAX_RETRY_AFTER);
        assert_eq!(wait(&outcome_of(after(-1, 0))), Duration::from_millis(400));
        assert_eq!(wait(&outcome_of(retry(None))), Duration::from_millis(400));
        assert_eq!(wait(&outcome_of(None)), Duration::from_millis(400));
    }
}
