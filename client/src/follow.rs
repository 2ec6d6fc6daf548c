//! Following a ticket by asking again when the server says so.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, future::BoxFuture, stream::FusedStream};
use tokio::time::{Instant, Sleep};

use crate::{
    client::Client, error::CallError, monotonic_position::Standing, status::TicketStatus, ticket::Ticket,
};

/// When to ask again if the server does not say.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// Shortest pause, so that a server that says "at once" is not asked in a tight loop.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// Longest pause, so that a wrong word of the server does not silence a buyer's screen for good.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

impl Client {
    /// Asks where the ticket stands, now and then whenever the server's `poll_after` has passed, until the state
    /// is final. This is the way for crowds: between questions a follower costs a few hundred bytes and no
    /// connection.
    ///
    /// The stream yields every answer. Failures that may pass are lived through for as long as the retry
    /// policy's patience; any other is the stream's last item.
    pub fn follow(&self, ticket: &Ticket) -> Follow {
        Follow::new(self, ticket, Standing::default(), None)
    }

    /// Follows a ticket whose standing is known already, typically from `enqueue`: the first question is asked
    /// after that status's `poll_after`.
    pub fn follow_from(&self, ticket: &Ticket, status: &TicketStatus) -> Follow {
        Follow::new(self, ticket, Standing::told(status), Some(status))
    }
}

/// The statuses of one ticket until it is final; see [`Client::follow`].
#[must_use = "streams do nothing unless polled"]
pub struct Follow {
    client: Client,
    ticket: Ticket,
    standing: Standing,
    pause: Duration,
    failures: u32,
    failing_since: Option<Instant>,
    phase: Phase,
}

/// Both kinds of waiting are boxed and only one exists at a time, so that a million followers are small.
enum Phase {
    Pausing(Pin<Box<Sleep>>),
    Asking(BoxFuture<'static, Result<TicketStatus, CallError>>),
    Ended,
}

impl Follow {
    fn new(client: &Client, ticket: &Ticket, standing: Standing, known: Option<&TicketStatus>) -> Self {
        let pause = known.map_or(Duration::ZERO, pause_after);
        let phase = match known {
            Some(status) if status.state.is_final() => Phase::Ended,
            _ => Phase::Pausing(Box::pin(tokio::time::sleep(pause))),
        };
        Self {
            client: client.clone(),
            ticket: ticket.clone(),
            standing,
            pause,
            failures: 0,
            failing_since: None,
            phase,
        }
    }

    fn ask(&mut self) {
        let (client, ticket) = (self.client.clone(), self.ticket.clone());
        self.phase = Phase::Asking(Box::pin(async move { client.poll(&ticket).await }));
    }

    /// Takes an answer in; `None` when it holds nothing for the buyer.
    fn answered(&mut self, status: TicketStatus) -> Option<TicketStatus> {
        self.failures = 0;
        self.failing_since = None;
        self.pause = pause_after(&status);
        self.phase = match status.state.is_final() {
            true => Phase::Ended,
            false => Phase::Pausing(Box::pin(tokio::time::sleep(self.pause))),
        };
        self.standing.tell(status)
    }

    /// Goes on after a failure that may pass, at the pace that the server set last; otherwise ends with it.
    fn failed(&mut self, error: CallError) -> Option<CallError> {
        if !error.is_transient() {
            self.phase = Phase::Ended;
            return Some(error);
        }
        self.failures = self.failures.saturating_add(1);
        let policy = &self.client.shared.policy;
        if self.failing_since.get_or_insert_with(Instant::now).elapsed() >= policy.patience {
            self.phase = Phase::Ended;
            return Some(error.out_of_patience(self.failures));
        }
        let asked_for = error.failure().retry_after.unwrap_or_default();
        let pause = self.pause.max(policy.backoff(self.failures)).max(asked_for).clamp(MIN_PAUSE, MAX_PAUSE);
        self.phase = Phase::Pausing(Box::pin(tokio::time::sleep(pause)));
        None
    }
}

impl Stream for Follow {
    type Item = Result<TicketStatus, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.phase {
                Phase::Ended => return Poll::Ready(None),
                Phase::Pausing(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.ask();
                }
                Phase::Asking(answer) => match ready!(answer.as_mut().poll(context)) {
                    Ok(status) => {
                        if let Some(status) = self.answered(status) {
                            return Poll::Ready(Some(Ok(status)));
                        }
                    }
                    Err(error) => {
                        if let Some(error) = self.failed(error) {
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

/// How long to leave the server alone after this answer.
fn pause_after(status: &TicketStatus) -> Duration {
    status.poll_after.unwrap_or(DEFAULT_PAUSE).clamp(MIN_PAUSE, MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::TicketState;

    #[test]
    fn pauses_are_bounded_on_both_sides() {
        let after = |poll_after| TicketStatus {
            ticket_id: "shoes/1/1".into(),
            state: TicketState::Waiting,
            position: Some(1),
            eta: None,
            poll_after,
            order_id: None,
            reason: None,
        };
        assert_eq!(pause_after(&after(None)), DEFAULT_PAUSE);
        assert_eq!(pause_after(&after(Some(Duration::ZERO))), MIN_PAUSE);
        assert_eq!(pause_after(&after(Some(Duration::from_secs(7)))), Duration::from_secs(7));
        assert_eq!(pause_after(&after(Some(Duration::MAX))), MAX_PAUSE);
    }
}
