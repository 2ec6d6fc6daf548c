//! Watching a ticket: the server pushes, and a broken stream is taken up again.

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
    connection_pool::{Busy, Purpose},
    error::{CallError, Ended},
    monotonic_position::Standing,
    retry::{Verdict, verdict},
    retry_policy::RetryPolicy,
    status::TicketStatus,
    ticket::Ticket,
};

/// A stream that lived this long was healthy: that it ends is part of life (a node drains, a connection reaches
/// its age), and taking it up again is not a retry.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

impl Client {
    /// Is told by the server where the ticket stands, now and at every change, until the state is final. This is
    /// the way for one screen. Each watch holds a stream and about 10 KiB, and a server bounds the streams of a
    /// connection: one that finds no room times out and is tried again. Crowds had better
    /// [`follow`](Client::follow), or get more
    /// [connections](crate::ClientSettings::connections_per_endpoint).
    ///
    /// A stream that breaks is opened again by itself, elsewhere if possible, and what was told before is not
    /// told again. Failures that may pass are lived through for as long as the retry policy's patience; any
    /// other is the stream's last item.
    pub fn watch(&self, ticket: &Ticket) -> Watch {
        self.shared.budget.earn();
        Watch {
            client: self.clone(),
            ticket: ticket.clone(),
            standing: Standing::default(),
            told: None,
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
    standing: Standing,
    told: Option<TicketStatus>,
    failures: u32,
    failing_since: Option<Instant>,
    phase: Phase,
}

enum Phase {
    Opening(BoxFuture<'static, Result<Box<Opened>, AttemptError>>),
    Open(Box<Opened>),
    Pausing(Pin<Box<Sleep>>),
    Ended,
}

/// A stream that delivers.
struct Opened {
    stream: Streaming<WatchStatusResponse>,
    busy: Busy,
    since: Instant,
}

impl Watch {
    /// Takes a message in; `None` when it is no news.
    fn told(&mut self, reply: WatchStatusResponse) -> Option<Result<TicketStatus, CallError>> {
        let status = match TicketStatus::required(reply.status) {
            Ok(status) => status,
            Err(error) => return Some(Err(self.end(error))),
        };
        self.failing_since = None;
        if status.state.is_final() {
            self.phase = Phase::Ended;
        }
        let status = self.standing.tell(status)?;
        if self.told.as_ref().is_some_and(|told| told.tells_the_same_as(&status)) {
            return None;
        }
        self.told = Some(status.clone());
        Some(Ok(status))
    }

    /// Plans to take a broken stream up again; otherwise ends with the error.
    fn broken(&mut self, error: AttemptError) -> Option<CallError> {
        let asked_for = match verdict(&error) {
            Verdict::Final => {
                return Some(self.end(CallError::last_attempt(
                    error,
                    self.failures + 1,
                    Ended::NotRetryable,
                )));
            }
            Verdict::Repeat => Duration::ZERO,
            Verdict::RepeatAfter(delay) => delay,
        };
        let healthy = matches!(&self.phase, Phase::Open(opened) if opened.since.elapsed() >= HEALTHY_AFTER);
        self.failures = if healthy { 1 } else { self.failures.saturating_add(1) };
        let shared = &self.client.shared;
        if self.failing_since.get_or_insert_with(Instant::now).elapsed() >= shared.policy.patience {
            return Some(self.end(CallError::last_attempt(error, self.failures, Ended::PatienceOver)));
        }
        let affordable = if healthy {
            shared.budget.earn();
            true
        } else {
            shared.budget.spend()
        };
        let pause = asked_for.saturating_add(pause(&shared.policy, self.failures, affordable));
        tracing::debug!(ticket = ?self.ticket, ?pause, status = %error.status, "watching again");
        self.phase = Phase::Pausing(Box::pin(tokio::time::sleep(pause)));
        None
    }

    fn end(&mut self, error: CallError) -> CallError {
        self.phase = Phase::Ended;
        error
    }
}

/// How long to pause after so many failures. A watch does not give up when the retry budget is spent, as a call
/// does, but it comes back no faster than the slowest retry.
fn pause(policy: &RetryPolicy, failures: u32, affordable: bool) -> Duration {
    if affordable {
        policy.backoff(failures)
    } else {
        policy.max_backoff.saturating_add(policy.backoff(u32::MAX))
    }
}

fn open(client: Client, ticket: &Ticket) -> BoxFuture<'static, Result<Box<Opened>, AttemptError>> {
    let message = WatchStatusRequest { ticket: ticket.as_str().to_owned() };
    Box::pin(async move {
        let shared = &client.shared;
        let picked = shared.channels.pick(Purpose::Watch, None);
        let within = shared.policy.attempt_timeout;
        let (stream, busy) = attempt::open(&picked, &shared.metadata, message, within, |stubs, request| {
            Box::pin(async move { stubs.queue().watch_status(request).await })
        })
        .await?;
        Ok(Box::new(Opened { stream, busy, since: Instant::now() }))
    })
}

impl Stream for Watch {
    type Item = Result<TicketStatus, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let failure = match &mut self.phase {
                Phase::Ended => return Poll::Ready(None),
                Phase::Pausing(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.phase = Phase::Opening(open(self.client.clone(), &self.ticket));
                    continue;
                }
                Phase::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(opened) => {
                        self.phase = Phase::Open(opened);
                        continue;
                    }
                    Err(error) => error,
                },
                Phase::Open(opened) => match ready!(Pin::new(&mut opened.stream).poll_next(context)) {
                    Some(Ok(reply)) => match self.told(reply) {
                        Some(item) => return Poll::Ready(Some(item)),
                        None => continue,
                    },
                    Some(Err(status)) => AttemptError::judge(status, opened.busy.endpoint_name()),
                    None => AttemptError::ended_early(opened.busy.endpoint_name()),
                },
            };
            if let Some(error) = self.broken(failure) {
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
