//! `QueueService`: Enqueue, PollStatus, BatchPollStatus, WatchStatus, Cancel.

use std::{mem, sync::Arc, time::Duration};

use futures_util::future::join_all;
use inrush_core::{
    BuyerId, Entry, Keyring, SaleId, TicketId, TicketRef, Timestamp,
    entry::MAX_PAYLOAD,
    keyring::{BuyerTag, VerifiedTicket},
    sale::{InvalidValue, MAX_UNITS_PER_TICKET},
    store::{AdmitRequest, CancelResult, Refusal},
};
use inrush_proto::v1::{self, enqueue_response::Outcome};
use inrush_telemetry::Traces;
use tonic::{Request, Response, Status};

use crate::{
    call::CallMeta,
    call_error::CallError,
    gate_decision::GateDecision,
    metrics::SaleCounts,
    queue::admit::{AdmitOp, AdmitOutcome, EnqueueSpan, QueuedTicket},
    queue::batcher::Batcher,
    queue::gate::Gates,
    queue::operations::{CancelOp, LookUpOp, MutationResult},
    service::convert::{self, ticket_status},
    service::watch::{WatchStream, Watches},
};

/// Upper bound on the tickets in one BatchPollStatus.
const MAX_TICKETS: usize = 256;

/// When to try a sold-out sale again: few units are returned, by cancelled tickets and unpaid orders.
const SOLD_OUT_RETRY: Duration = Duration::from_secs(10);

/// When to try a held sale again: an operator resumes it.
const HELD_RETRY: Duration = Duration::from_secs(5);

/// The service on one core.
pub(crate) struct QueueService {
    pub(crate) keyring: Keyring,
    pub(crate) gates: Arc<Gates>,
    pub(crate) counts: Arc<SaleCounts>,
    /// `None` disables tracing.
    pub(crate) traces: Option<Traces>,
    pub(crate) admissions: Batcher<AdmitOp>,
    pub(crate) look_ups: Batcher<LookUpOp>,
    pub(crate) cancellations: Batcher<CancelOp>,
    pub(crate) watches: Watches,
}

#[tonic::async_trait]
impl v1::queue_service_server::QueueService for QueueService {
    async fn enqueue(
        &self,
        request: Request<v1::EnqueueRequest>,
    ) -> Result<Response<v1::EnqueueResponse>, Status> {
        let meta = CallMeta::of(&request);
        Ok(Response::new(self.enqueue(request.into_inner(), &meta).await?))
    }

    async fn poll_status(
        &self,
        request: Request<v1::PollStatusRequest>,
    ) -> Result<Response<v1::PollStatusResponse>, Status> {
        Ok(Response::new(self.poll_status(request.get_ref(), &CallMeta::of(&request)).await?))
    }

    async fn batch_poll_status(
        &self,
        request: Request<v1::BatchPollStatusRequest>,
    ) -> Result<Response<v1::BatchPollStatusResponse>, Status> {
        let meta = CallMeta::of(&request);
        let tickets = &request.get_ref().tickets;
        if tickets.is_empty() || tickets.len() > MAX_TICKETS {
            return Err(CallError::field("tickets", "must be 1 to 256 tickets").into());
        }
        let statuses = join_all(tickets.iter().map(|ticket| self.status(ticket, &meta))).await;
        let results = statuses.into_iter().map(batch_result).collect();
        Ok(Response::new(v1::BatchPollStatusResponse { results }))
    }

    type WatchStatusStream = WatchStream;

    async fn watch_status(
        &self,
        request: Request<v1::WatchStatusRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let ticket = self.verify(&request.get_ref().ticket)?;
        let CallMeta { deadline, trace, .. } = CallMeta::of(&request);
        Ok(Response::new(self.watches.watch(ticket, self.look_ups.clone(), deadline.of_stream(), trace)?))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        Ok(Response::new(self.cancel(request.get_ref(), &CallMeta::of(&request)).await?))
    }
}

impl QueueService {
    /// Enqueue.
    ///
    /// # Errors
    /// If the request is invalid, or the store or this node cannot serve it.
    pub(crate) async fn enqueue(
        &self,
        mut request: v1::EnqueueRequest,
        meta: &CallMeta,
    ) -> Result<v1::EnqueueResponse, CallError> {
        let previous_ticket = mem::take(&mut request.previous_ticket);
        let (sale, mut entry) = parse_enqueue(request)?;
        let restores = self.previous_ticket(&previous_ticket, &sale, &entry.buyer)?;
        let cached = match restores {
            Some(_) => None,
            None => self.gates.decision(&sale, &entry.buyer, entry.units),
        };
        let outcome = match cached {
            Some(decision) => {
                self.counts.refused_by_gate(&sale, decision);
                refusal_response(&sale, decision)?
            }
            None => {
                let span = EnqueueSpan::begin(self.traces.as_ref(), meta.trace, &sale);
                let trace = span.trace();
                entry.trace = trace.map_or_else(Vec::new, |trace| trace.to_bytes().to_vec());
                let admit = AdmitRequest { entry, supersedes: None, restores };
                let answer = self.admissions.call(&sale, admit, meta.deadline.instant(), trace).await;
                span.end(&sale, &answer);
                match answer? {
                    AdmitOutcome::Queued(ticket) => self.queued(sale, &ticket),
                    AdmitOutcome::NotQueued(decision) => refusal_response(&sale, decision)?,
                }
            }
        };
        Ok(v1::EnqueueResponse { outcome: Some(outcome) })
    }

    /// PollStatus.
    ///
    /// # Errors
    /// If the ticket is invalid or unknown, or the store or this node cannot serve the call.
    pub(crate) async fn poll_status(
        &self,
        request: &v1::PollStatusRequest,
        meta: &CallMeta,
    ) -> Result<v1::PollStatusResponse, CallError> {
        Ok(v1::PollStatusResponse { status: Some(self.status(&request.ticket, meta).await?) })
    }

    /// Cancel.
    ///
    /// # Errors
    /// If the ticket is invalid or unknown, or the store or this node cannot serve the call.
    pub(crate) async fn cancel(
        &self,
        request: &v1::CancelRequest,
        meta: &CallMeta,
    ) -> Result<v1::CancelResponse, CallError> {
        let ticket = self.verify(&request.ticket)?;
        let deadline = meta.deadline.instant();
        let MutationResult { outcome, found } =
            self.cancellations.call(&ticket.sale, (&ticket).into(), deadline, meta.trace).await?;
        let unknown = || CallError::TicketUnknown(ticket.sale.clone());
        let cancelled = match outcome {
            CancelResult::Cancelled | CancelResult::AlreadyCancelled => true,
            CancelResult::TooLate | CancelResult::Lost => false,
            CancelResult::Unknown => return Err(unknown()),
        };
        let pace = found.measured_pace;
        let status = ticket_status(&ticket, found.of(&ticket)?, pace);
        Ok(v1::CancelResponse { cancelled, status: Some(status) })
    }

    async fn status(&self, ticket: &str, meta: &CallMeta) -> Result<v1::TicketStatus, CallError> {
        let ticket = self.verify(ticket)?;
        let deadline = meta.deadline.instant();
        let found = self.look_ups.call(&ticket.sale, (&ticket).into(), deadline, meta.trace).await?;
        let pace = found.measured_pace;
        Ok(ticket_status(&ticket, found.of(&ticket)?, pace))
    }

    /// Comes first in every call that presents a ticket: a forged one does not reach the store.
    fn verify(&self, ticket: &str) -> Result<TicketId, CallError> {
        Ok(self.keyring.verify(ticket)?.id)
    }

    /// The ticket that an Enqueue restores, if it names one. It must be of this sale and this buyer.
    fn previous_ticket(
        &self,
        ticket: &str,
        sale: &SaleId,
        buyer: &BuyerId,
    ) -> Result<Option<TicketRef>, CallError> {
        if ticket.is_empty() {
            return Ok(None);
        }
        let VerifiedTicket { id, buyer: holder } = self.keyring.verify(ticket)?;
        if id.sale != *sale || holder != BuyerTag::of(buyer) {
            let rule = "must be a ticket of this sale and of this buyer";
            return Err(CallError::field("previous_ticket", rule));
        }
        Ok(Some((&id).into()))
    }

    fn queued(&self, sale: SaleId, queued: &QueuedTicket) -> Outcome {
        let ticket = queued.ticket.in_sale(sale);
        Outcome::Queued(v1::Queued {
            ticket: self.keyring.sign(&ticket, queued.buyer),
            status: Some(ticket_status(&ticket, queued.status.clone(), queued.measured_pace)),
            repeated: queued.repeated,
            durability: convert::durability_message(queued.durability).into(),
        })
    }
}

/// Validates an Enqueue request. The error lists every invalid field.
fn parse_enqueue(request: v1::EnqueueRequest) -> Result<(SaleId, Entry), CallError> {
    let sale = request.sale_id.parse::<SaleId>();
    let buyer = request.buyer_id.parse::<BuyerId>();
    let units_fit = (1..=MAX_UNITS_PER_TICKET).contains(&request.units);
    let payload_fits = request.payload.len() <= MAX_PAYLOAD;
    match (sale, buyer) {
        (Ok(sale), Ok(buyer)) if units_fit && payload_fits => {
            let (units, payload) = (request.units, request.payload.into());
            Ok((sale, Entry { buyer, units, payload, trace: Vec::new() }))
        }
        (sale, buyer) => {
            let units = || InvalidValue::new("units", "must be 1 to 1,000,000");
            let payload = || InvalidValue::new("payload", "must be at most 4096 bytes");
            let broken = [sale.err(), buyer.err(), (!units_fit).then(units), (!payload_fits).then(payload)];
            Err(CallError::InvalidFields(broken.into_iter().flatten().collect()))
        }
    }
}

/// The response to a buyer who gets no ticket.
///
/// # Errors
/// While lost tickets are restored: others are admitted after that.
fn refusal_response(sale: &SaleId, decision: GateDecision) -> Result<Outcome, CallError> {
    let refused = |reason: v1::RefusalReason| v1::Refused { reason: reason.into(), ..v1::Refused::default() };
    let later = |delay| Some(convert::duration(delay));
    let refusal = match decision {
        GateDecision::Bypass => return Ok(Outcome::Bypass(v1::Bypass {})),
        GateDecision::Refused(refusal) => refusal,
    };
    Ok(Outcome::Refused(match refusal {
        Refusal::Restoring { until } => return Err(CallError::Restoring { sale: sale.clone(), until }),
        Refusal::SoldOut => {
            v1::Refused { retry_after: later(SOLD_OUT_RETRY), ..refused(v1::RefusalReason::SoldOut) }
        }
        Refusal::NotOpen { opens_at } => v1::Refused {
            open_time: Some(convert::time(opens_at)),
            retry_after: later(Timestamp::now().until(opens_at)),
            ..refused(v1::RefusalReason::NotOpen)
        },
        Refusal::Closed => refused(v1::RefusalReason::Closed),
        Refusal::Held => v1::Refused { retry_after: later(HELD_RETRY), ..refused(v1::RefusalReason::Held) },
        Refusal::UnitLimit { limit } => {
            v1::Refused { unit_limit: limit, ..refused(v1::RefusalReason::UnitLimit) }
        }
    }))
}

fn batch_result(status: Result<v1::TicketStatus, CallError>) -> v1::BatchPollStatusResult {
    use v1::batch_poll_status_result::Result as Of;
    let result = match status {
        Ok(status) => Of::Status(status),
        Err(failure) => {
            Of::Error(v1::TicketError { reason: failure.reason().to_owned(), message: failure.to_string() })
        }
    };
    v1::BatchPollStatusResult { result: Some(result) }
}
