//! WatchStatus: the status of a ticket now, and every change until the final one.
//!
//! A watch has no task of its own: it advances as fast as its client reads. It polls the store at an interval that grows with
//! the position, and its look-ups are batched with those of all other calls.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use inrush_core::{TicketId, TicketStatus};
use inrush_proto::v1::WatchStatusResponse;
use inrush_telemetry::trace_context::TraceContext;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    call_error::CallError,
    metrics::{CoreCounts, GaugeGuard, GaugeKind, ShedReason},
    queue::batcher::Batcher,
    queue::operations::LookUpOp,
    service::convert::{poll_after, ticket_status},
    settings::WatchSettings,
};

/// Consecutive look-ups that may fail for lack of a store before a watch ends; a failover takes less.
const MAX_FAILED_LOOK_UPS: u32 = 6;

/// What a watch sends.
pub(crate) type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchStatusResponse, Status>> + Send>>;

/// The watches of one core.
pub(crate) struct Watches {
    settings: WatchSettings,
    /// How long one look-up may take.
    look_up_timeout: Duration,
    permits: Arc<Semaphore>,
    draining: CancellationToken,
    counts: Arc<CoreCounts>,
}

impl Watches {
    /// No watches yet. They end when `draining` is cancelled.
    pub(crate) fn new(
        settings: WatchSettings,
        look_up_timeout: Duration,
        draining: CancellationToken,
        counts: Arc<CoreCounts>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(settings.max_watches));
        Self { settings, look_up_timeout, permits, draining, counts }
    }

    /// Starts a watch.
    ///
    /// # Errors
    /// `Overloaded` if the limit of watches is reached.
    pub(crate) fn watch(
        &self,
        ticket: TicketId,
        look_ups: Batcher<LookUpOp>,
        deadline: Option<Instant>,
        trace: Option<TraceContext>,
    ) -> Result<WatchStream, CallError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            self.counts.shed(ShedReason::Watches);
            CallError::Overloaded
        })?;
        let watch = Watch {
            ticket,
            look_ups,
            settings: self.settings.clone(),
            look_up_timeout: self.look_up_timeout,
            draining: self.draining.clone(),
            deadline,
            trace,
            last_sent: None,
            failures: 0,
            next_poll: Instant::now(),
            is_over: false,
            _permit: permit,
            _guard: self.counts.count(GaugeKind::Watches),
        };
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            let item = watch.next().await?;
            Some((item.map_err(Status::from), watch))
        })))
    }
}

struct Watch {
    ticket: TicketId,
    look_ups: Batcher<LookUpOp>,
    settings: WatchSettings,
    look_up_timeout: Duration,
    draining: CancellationToken,
    deadline: Option<Instant>,
    /// The span that its look-ups belong to, if it is traced.
    trace: Option<TraceContext>,
    /// The status that was sent last.
    last_sent: Option<TicketStatus>,
    failures: u32,
    next_poll: Instant,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
    _guard: GaugeGuard,
}

impl Watch {
    /// The next change, or the error that ends the watch. `None`: it is over.
    async fn next(&mut self) -> Option<Result<WatchStatusResponse, CallError>> {
        while !self.is_over {
            let polled = match self.wait().await {
                Ok(()) => self.poll().await,
                Err(failure) => Err(failure),
            };
            match polled {
                Ok(None) => {}
                Ok(Some(change)) => return Some(Ok(change)),
                Err(failure) => {
                    self.is_over = true;
                    return Some(Err(failure));
                }
            }
        }
        None
    }

    /// Waits for the next poll. Fails if the watch has to end before.
    async fn wait(&self) -> Result<(), CallError> {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => Err(CallError::Draining),
            () = sleep_until(self.deadline) => Err(CallError::DeadlineExceeded),
            () = tokio::time::sleep_until(self.next_poll) => Ok(()),
        }
    }

    /// Polls once. `None`: nothing has changed, or the store is unavailable for a moment.
    async fn poll(&mut self) -> Result<Option<WatchStatusResponse>, CallError> {
        let deadline = Instant::now() + self.look_up_timeout;
        let found =
            match self.look_ups.call(&self.ticket.sale, (&self.ticket).into(), deadline, self.trace).await {
                Ok(found) => found,
                Err(failure)
                    if failure.is_passing()
                        && self.last_sent.is_some()
                        && self.failures < MAX_FAILED_LOOK_UPS =>
                {
                    self.failures += 1;
                    self.next_poll = Instant::now() + self.settings.max_interval;
                    return Ok(None);
                }
                Err(failure) => return Err(failure),
            };
        self.failures = 0;
        let pace = found.measured_pace;
        let status = self.monotonic_position(found.of(&self.ticket)?);
        match poll_after(&status, pace) {
            Some(delay) => {
                let interval = delay.clamp(self.settings.min_interval, self.settings.max_interval);
                self.next_poll = Instant::now() + interval;
            }
            None => self.is_over = true,
        }
        if self.last_sent.as_ref() == Some(&status) {
            return Ok(None);
        }
        self.last_sent = Some(status.clone());
        Ok(Some(WatchStatusResponse { status: Some(ticket_status(&self.ticket, status, pace)) }))
    }

    /// A position never rises while a ticket waits, whichever replica of the store answers.
    fn monotonic_position(&self, status: TicketStatus) -> TicketStatus {
        match (status, &self.last_sent) {
            (
                TicketStatus::Waiting { position, attempted },
                Some(TicketStatus::Waiting { position: seen, .. }),
            ) => TicketStatus::Waiting { position: position.min(*seen), attempted },
            (status, _) => status,
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
