//! Following a ticket: polls its status at the interval that the server asks for.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, future::BoxFuture, stream::FusedStream};
use tokio::time::{Instant, Sleep};

use crate::{
    client::Client,
    error::CallError,
    monotonic_position::MonotonicPosition,
    restore::{Restored, restore_if_lost},
    status::TicketStatus,
    ticket::Ticket,
};

/// The interval if the server does not send one.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A lower bound, so that a server that sends zero is not polled in a tight loop.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// An upper bound, so that a wrong value of the server does not stop the updates.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Client {
    /// Polls the status of a ticket, first now and then whenever the server's `poll_after` has passed, until
    /// the state is final. This suits many tickets: between polls, one costs a few hundred bytes and no
    /// connection.
    ///
    /// The stream yields every status. Transient failures are retried until there was no answer for the retry
    /// policy's `no_answer_timeout`; any other error is the last item of the stream.
    ///
    /// A ticket that the server's store has lost is restored, if it is a ticket of `enqueue` or has got its request by
    /// [`Ticket::requested_with`]. [`Follow::ticket`] is then the present one.
    pub fn follow(&self, ticket: &Ticket) -> Follow {
        Follow::new(self, ticket, MonotonicPosition::default(), None)
    }

    /// Follows a ticket from a known status, typically that of `enqueue`: the first poll is made after its
    /// `poll_after`.
    pub fn follow_from(&self, ticket: &Ticket, status: &TicketStatus) -> Follow {
        Follow::new(self, ticket, MonotonicPosition::starting_at(status), Some(status))
    }
}

/// The statuses of one ticket until it is final; see [`Client::follow`].
#[must_use = "streams do nothing unless polled"]
pub struct Follow {
    client: Client,
    ticket: Ticket,
    position: MonotonicPosition,
    interval: Duration,
    failures: u32,
    failing_since: Option<Instant>,
    phase: Phase,
}

/// Both kinds of waiting are boxed and only one exists at a time, so that a million followed tickets stay
/// small.
enum Phase {
    Waiting(Pin<Box<Sleep>>),
    Polling(BoxFuture<'static, Result<Restored, CallError>>),
    Ended,
}

impl Follow {
    fn new(
        client: &Client,
        ticket: &Ticket,
        position: MonotonicPosition,
        known: Option<&TicketStatus>,
    ) -> Self {
        let interval = known.map_or(Duration::ZERO, poll_interval);
        let phase = match known {
            Some(status) if status.state.is_final() => Phase::Ended,
            _ => Phase::Waiting(Box::pin(tokio::time::sleep(interval))),
        };
        Self {
            client: client.clone(),
            ticket: ticket.clone(),
            position,
            interval,
            failures: 0,
            failing_since: None,
            phase,
        }
    }

    /// The ticket: another than at first if that was lost and could not be restored.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    fn start_poll(&mut self) {
        let (client, ticket) = (self.client.clone(), self.ticket.clone());
        self.phase = Phase::Polling(Box::pin(async move {
            let status = client.poll(&ticket).await?;
            restore_if_lost(&client, ticket, status).await
        }));
    }

    /// Handles a status; `None` if there is nothing to yield.
    fn on_status(&mut self, Restored { ticket, status, is_restored }: Restored) -> Option<TicketStatus> {
        if is_restored {
            // Its position counts anew: others may have been restored before it.
            self.position = MonotonicPosition::default();
            self.ticket = ticket;
        }
        self.failures = 0;
        self.failing_since = None;
        self.interval = poll_interval(&status);
        self.phase = match status.state.is_final() {
            true => Phase::Ended,
            false => Phase::Waiting(Box::pin(tokio::time::sleep(self.interval))),
        };
        self.position.observe(status)
    }

    /// Schedules another poll after a transient failure, no sooner than the server asked for; ends with any
    /// other.
    fn on_failure(&mut self, error: CallError) -> Option<CallError> {
        if !error.is_transient() {
            self.phase = Phase::Ended;
            return Some(error);
        }
        self.failures = self.failures.saturating_add(1);
        let policy = &self.client.shared.policy;
        if self.failing_since.get_or_insert_with(Instant::now).elapsed() >= policy.no_answer_timeout {
            self.phase = Phase::Ended;
            return Some(error.after_no_answer(self.failures));
        }
        let retry_after = error.failure().retry_after.unwrap_or_default();
        let interval = self
            .interval
            .max(policy.backoff(self.failures))
            .max(retry_after)
            .clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL);
        self.phase = Phase::Waiting(Box::pin(tokio::time::sleep(interval)));
        None
    }
}

impl Stream for Follow {
    type Item = Result<TicketStatus, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.phase {
                Phase::Ended => return Poll::Ready(None),
                Phase::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.start_poll();
                }
                Phase::Polling(answer) => match ready!(answer.as_mut().poll(context)) {
                    Ok(status) => {
                        if let Some(status) = self.on_status(status) {
                            return Poll::Ready(Some(Ok(status)));
                        }
                    }
                    Err(error) => {
                        if let Some(error) = self.on_failure(error) {
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                },
            }
        }
    }
}

impl FusedStream for Follow {
    fn is_terminated(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Follow").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// The interval until the next poll.
fn poll_interval(status: &TicketStatus) -> Duration {
    status.poll_after.unwrap_or(DEFAULT_POLL_INTERVAL).clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::TicketState;

    #[test]
    fn poll_intervals_have_a_minimum_and_a_maximum() {
        let after = |poll_after| TicketStatus {
            ticket_id: "shoes/1/1".into(),
            state: TicketState::Waiting,
            position: Some(1),
            eta: None,
            poll_after,
            order_id: None,
            reason: None,
        };
        assert_eq!(poll_interval(&after(None)), DEFAULT_POLL_INTERVAL);
        assert_eq!(poll_interval(&after(Some(Duration::ZERO))), MIN_POLL_INTERVAL);
        assert_eq!(poll_interval(&after(Some(Duration::from_secs(7)))), Duration::from_secs(7));
        assert_eq!(poll_interval(&after(Some(Duration::MAX))), MAX_POLL_INTERVAL);
    }
}
