//! Watching a ticket: the server pushes its changes; broken streams are reopened.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, future::BoxFuture, stream::FusedStream};
use inrush_proto::v1::{WatchStatusRequest, WatchStatusResponse};
use tokio::time::{Instant, Sleep};
use tonic::Streaming;

use crate::{
    attempt::{self, AttemptError},
    client::Client,
    connection_pool::{InFlightGuard, Purpose},
    error::{CallError, Ended},
    monotonic_position::MonotonicPosition,
    restore::{Restored, restore_if_lost},
    retry::{RetryDecision, decide},
    retry_policy::RetryPolicy,
    status::{TicketState, TicketStatus},
    ticket::Ticket,
};

/// A stream that lasted this long was healthy: its end is normal (a node drains, a connection reaches its
/// age), and reopening it is not a retry.
const MIN_HEALTHY_TIME: Duration = Duration::from_secs(10);

impl Client {
    /// Receives the status of a ticket, now and at every change, until the state is final. This suits one
    /// screen. Each watch holds a stream and about 10 KiB, and a server limits the streams of a connection: a
    /// watch beyond the limit times out and is retried. For many tickets use [`follow`](Client::follow), or
    /// more [connections](crate::ClientSettings::connections_per_endpoint).
    ///
    /// A broken stream is reopened, on another endpoint if possible, and a status is not repeated. Transient
    /// failures are retried until there was no answer for the retry policy's `no_answer_timeout`; any other
    /// error is the last item of the stream. A lost ticket is restored as by [`follow`](Client::follow).
    pub fn watch(&self, ticket: &Ticket) -> Watch {
        self.shared.budget.deposit();
        Watch {
            client: self.clone(),
            ticket: ticket.clone(),
            position: MonotonicPosition::default(),
            last: None,
            failures: 0,
            failing_since: None,
            phase: Phase::Opening(open(self.clone(), ticket)),
        }
    }
}

/// The changes of one ticket until it is final; see [`Client::watch`].
#[must_use = "streams do nothing unless polled"]
pub struct Watch {
    client: Client,
    ticket: Ticket,
    position: MonotonicPosition,
    last: Option<TicketStatus>,
    failures: u32,
    failing_since: Option<Instant>,
    phase: Phase,
}

enum Phase {
    Opening(BoxFuture<'static, Result<Box<Opened>, AttemptError>>),
    Open(Box<Opened>),
    Restoring(BoxFuture<'static, Result<Restored, CallError>>),
    Waiting(Pin<Box<Sleep>>),
    Ended,
}

/// An open stream.
struct Opened {
    stream: Streaming<WatchStatusResponse>,
    in_flight: InFlightGuard,
    since: Instant,
}

impl Watch {
    /// Handles a message; `None` if nothing has changed.
    fn on_message(&mut self, reply: WatchStatusResponse) -> Option<Result<TicketStatus, CallError>> {
        let status = match TicketStatus::required(reply.status) {
            Ok(status) => status,
            Err(error) => return Some(Err(self.end(error))),
        };
        self.failing_since = None;
        if status.state == TicketState::Lost && self.ticket.request().is_some() {
            let (client, ticket) = (self.client.clone(), self.ticket.clone());
            self.phase =
                Phase::Restoring(Box::pin(async move { restore_if_lost(&client, ticket, status).await }));
            return None;
        }
        if status.state.is_final() {
            self.phase = Phase::Ended;
        }
        self.show(status)
    }

    /// The status, if it says something new.
    fn show(&mut self, status: TicketStatus) -> Option<Result<TicketStatus, CallError>> {
        let status = self.position.observe(status)?;
        if self.last.as_ref().is_some_and(|last| last.looks_equal_to(&status)) {
            return None;
        }
        self.last = Some(status.clone());
        Some(Ok(status))
    }

    /// Watches the restored ticket; one that cannot be restored now is tried again later.
    fn on_restored(
        &mut self,
        restored: Result<Restored, CallError>,
    ) -> Option<Result<TicketStatus, CallError>> {
        match restored {
            Ok(Restored { ticket, status, is_restored }) => {
                self.failures = 0;
                if is_restored {
                    self.position = MonotonicPosition::default();
                    self.ticket = ticket;
                }
                self.phase = match (status.state.is_final(), is_restored) {
                    (true, _) => Phase::Ended,
                    (false, true) => Phase::Opening(open(self.client.clone(), &self.ticket)),
                    (false, false) => self.waiting(self.client.shared.policy.max_backoff),
                };
                self.show(status)
            }
            Err(error) if error.is_transient() => {
                self.failures = self.failures.saturating_add(1);
                let policy = &self.client.shared.policy;
                let since = self.failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= policy.no_answer_timeout {
                    return Some(Err(self.end(error)));
                }
                let retry_after = error.failure().retry_after.unwrap_or_default();
                self.phase = self.waiting(policy.backoff(self.failures).max(retry_after));
                None
            }
            Err(error) => Some(Err(self.end(error))),
        }
    }

    fn waiting(&self, delay: Duration) -> Phase {
        tracing::debug!(ticket = ?self.ticket, ?delay, "watching the lost ticket again");
        Phase::Waiting(Box::pin(tokio::time::sleep(delay)))
    }

    /// The ticket: another than at first if that was lost and could not be restored.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Schedules the reopening of a broken stream, or ends with the error.
    fn on_failure(&mut self, error: AttemptError) -> Option<CallError> {
        let retry_after = match decide(&error) {
            RetryDecision::Stop => {
                return Some(self.end(CallError::last_attempt(
                    error,
                    self.failures + 1,
                    Ended::NotRetryable,
                )));
            }
            RetryDecision::Retry => Duration::ZERO,
            RetryDecision::RetryAfter(delay) => delay,
        };
        let healthy =
            matches!(&self.phase, Phase::Open(opened) if opened.since.elapsed() >= MIN_HEALTHY_TIME);
        self.failures = if healthy { 1 } else { self.failures.saturating_add(1) };
        let shared = &self.client.shared;
        if self.failing_since.get_or_insert_with(Instant::now).elapsed() >= shared.policy.no_answer_timeout {
            return Some(self.end(CallError::last_attempt(error, self.failures, Ended::NoAnswer)));
        }
        let within_budget = if healthy {
            shared.budget.deposit();
            true
        } else {
            shared.budget.withdraw()
        };
        let delay = retry_after.saturating_add(delay(&shared.policy, self.failures, within_budget));
        tracing::debug!(ticket = ?self.ticket, ?delay, status = %error.status, "watching again");
        self.phase = Phase::Waiting(Box::pin(tokio::time::sleep(delay)));
        None
    }

    fn end(&mut self, error: CallError) -> CallError {
        self.phase = Phase::Ended;
        error
    }
}

/// The delay after this many failures. A watch does not end when the retry budget is used up, as a call does,
/// but is then no faster than the slowest retry.
fn delay(policy: &RetryPolicy, failures: u32, within_budget: bool) -> Duration {
    if within_budget {
        policy.backoff(failures)
    } else {
        policy.max_backoff.saturating_add(policy.backoff(u32::MAX))
    }
}

fn open(client: Client, ticket: &Ticket) -> BoxFuture<'static, Result<Box<Opened>, AttemptError>> {
    let message = WatchStatusRequest { ticket: ticket.as_str().to_owned() };
    Box::pin(async move {
        let shared = &client.shared;
        let selected = shared.endpoints.select(Purpose::Watch, None);
        let within = shared.policy.attempt_timeout;
        let (stream, in_flight) =
            attempt::open(&selected, &shared.metadata, message, within, |clients, request| {
                Box::pin(async move { clients.queue().watch_status(request).await })
            })
            .await?;
        Ok(Box::new(Opened { stream, in_flight, since: Instant::now() }))
    })
}

impl Stream for Watch {
    type Item = Result<TicketStatus, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let failure = match &mut self.phase {
                Phase::Ended => return Poll::Ready(None),
                Phase::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.phase = Phase::Opening(open(self.client.clone(), &self.ticket));
                    continue;
                }
                Phase::Restoring(restoring) => {
                    let restored = ready!(restoring.as_mut().poll(context));
                    match self.on_restored(restored) {
                        Some(item) => return Poll::Ready(Some(item)),
                        None => continue,
                    }
                }
                Phase::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(opened) => {
                        self.phase = Phase::Open(opened);
                        continue;
                    }
                    Err(error) => error,
                },
                Phase::Open(opened) => match ready!(Pin::new(&mut opened.stream).poll_next(context)) {
                    Some(Ok(reply)) => match self.on_message(reply) {
                        Some(item) => return Poll::Ready(Some(item)),
                        None => continue,
                    },
                    Some(Err(status)) => AttemptError::classify(status, opened.in_flight.endpoint_name()),
                    None => AttemptError::ended_early(opened.in_flight.endpoint_name()),
                },
            };
            if let Some(error) = self.on_failure(failure) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl FusedStream for Watch {
    fn is_terminated(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
