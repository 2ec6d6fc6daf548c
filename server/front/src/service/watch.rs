//! Watching tickets: the standing now, and every change until the final one.
//!
//! A watch has no task of its own: it goes on as fast as its client reads. It looks again as often as its place in line
//! makes sense, and its looks are batched with everybody's.

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
    service::ticket_status::{poll_after, ticket_status},
    settings::WatchSettings,
};

/// Looks in a row that may find the store away before a watch gives up; a failover is over sooner.
const PATIENCE: u32 = 6;

/// What a watch sends.
pub(crate) type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchStatusResponse, Status>> + Send>>;

/// The watches of one core.
pub(crate) struct Watches {
    settings: WatchSettings,
    /// How long one look may take.
    look_deadline: Duration,
    places: Arc<Semaphore>,
    leaving: CancellationToken,
    counts: Arc<CoreCounts>,
}

impl Watches {
    /// No watches yet. They end when `leaving` is cancelled.
    pub(crate) fn new(
        settings: WatchSettings,
        look_deadline: Duration,
        leaving: CancellationToken,
        counts: Arc<CoreCounts>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.max_watches));
        Self { settings, look_deadline, places, leaving, counts }
    }

    /// Starts a watch.
    ///
    /// # Errors
    /// `Overloaded` when there are as many as there may be.
    pub(crate) fn watch(
        &self,
        ticket: TicketId,
        look_ups: Batcher<LookUpOp>,
        deadline: Option<Instant>,
        trace: Option<TraceContext>,
    ) -> Result<WatchStream, CallError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            self.counts.shed(ShedReason::Watches);
            CallError::Overloaded
        })?;
        let watch = Watch {
            ticket,
            look_ups,
            settings: self.settings.clone(),
            look_deadline: self.look_deadline,
            leaving: self.leaving.clone(),
            deadline,
            trace,
            seen: None,
            failures: 0,
            next_look: Instant::now(),
            is_over: false,
            _place: place,
            _counted: self.counts.count(GaugeKind::Watches),
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
    look_deadline: Duration,
    leaving: CancellationToken,
    deadline: Option<Instant>,
    /// The span that its looks belong to, if it is traced.
    trace: Option<TraceContext>,
    /// What was sent last.
    seen: Option<TicketStatus>,
    failures: u32,
    next_look: Instant,
    is_over: bool,
    _place: OwnedSemaphorePermit,
    _counted: GaugeGuard,
}

impl Watch {
    /// The next change, or the error that ends the watch. None: it is over.
    async fn next(&mut self) -> Option<Result<WatchStatusResponse, CallError>> {
        while !self.is_over {
            let looked = match self.wait().await {
                Ok(()) => self.look().await,
                Err(failure) => Err(failure),
            };
            match looked {
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

    /// Waits for the next look. Fails when the watch has to end before.
    async fn wait(&self) -> Result<(), CallError> {
        tokio::select! {
            biased;
            () = self.leaving.cancelled() => Err(CallError::Draining),
            () = passed(self.deadline) => Err(CallError::DeadlineExceeded),
            () = tokio::time::sleep_until(self.next_look) => Ok(()),
        }
    }

    /// Looks once. None: nothing has changed, or the store is away for a moment.
    async fn look(&mut self) -> Result<Option<WatchStatusResponse>, CallError> {
        let deadline = Instant::now() + self.look_deadline;
        let found = match self.look_ups.call(&self.ticket.sale, self.ticket.seq, deadline, self.trace).await {
            Ok(found) => found,
            Err(failure) if failure.is_passing() && self.seen.is_some() && self.failures < PATIENCE => {
                self.failures += 1;
                self.next_look = Instant::now() + self.settings.max_interval;
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        self.failures = 0;
        let pace = found.measured_pace;
        let standing = self.never_further_back(found.of(&self.ticket)?);
        match poll_after(&standing, pace) {
            Some(delay) => {
                let interval = delay.clamp(self.settings.min_interval, self.settings.max_interval);
                self.next_look = Instant::now() + interval;
            }
            None => self.is_over = true,
        }
        if self.seen.as_ref() == Some(&standing) {
            return Ok(None);
        }
        self.seen = Some(standing.clone());
        Ok(Some(WatchStatusResponse { status: Some(ticket_status(&self.ticket, standing, pace)) }))
    }

    /// A position never rises while a ticket waits, whichever replica of the store was asked.
    fn never_further_back(&self, standing: TicketStatus) -> TicketStatus {
        match (standing, &self.seen) {
            (
                TicketStatus::Waiting { position, attempted },
                Some(TicketStatus::Waiting { position: seen, .. }),
            ) => TicketStatus::Waiting { position: position.min(*seen), attempted },
            (standing, _) => standing,
        }
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
