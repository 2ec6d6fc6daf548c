//! `SettlementService`: what the order system calls after an order exists.

use inrush_core::{
    TicketId,
    store::ReleaseResult,
    ticket::{InvalidTicketId, TicketState},
};
use inrush_proto::v1;
use tonic::{Request, Response, Status};

use crate::{
    call::CallMeta,
    call_error::CallError,
    queue::batcher::Batcher,
    queue::operations::{MutationResult, ReleaseOp},
    service::convert::ticket_status,
};

/// The service on one core.
pub(crate) struct SettlementService {
    pub(crate) releases: Batcher<ReleaseOp>,
}

#[tonic::async_trait]
impl v1::settlement_service_server::SettlementService for SettlementService {
    async fn release_order(
        &self,
        request: Request<v1::ReleaseOrderRequest>,
    ) -> Result<Response<v1::ReleaseOrderResponse>, Status> {
        let invalid = |rule: InvalidTicketId| CallError::field("ticket_id", rule.to_string());
        let ticket: TicketId = request.get_ref().ticket_id.parse().map_err(invalid)?;
        let CallMeta { deadline, trace, .. } = CallMeta::of(&request);
        let MutationResult { outcome, found } =
            self.releases.call(&ticket.sale, (&ticket).into(), deadline.instant(), trace).await?;
        let unknown = || CallError::TicketUnknown(ticket.sale.clone());
        let repeated = match outcome {
            ReleaseResult::Released => false,
            ReleaseResult::AlreadyReleased => true,
            // It holds no units: there is nothing to return, and the order system need not ask again.
            ReleaseResult::NotOrdered(
                TicketState::Cancelled | TicketState::Rejected | TicketState::Expired,
            ) => true,
            ReleaseResult::NotOrdered(state) => return Err(CallError::NotOrdered(state).into()),
            ReleaseResult::Unknown => return Err(unknown().into()),
        };
        let pace = found.measured_pace;
        let status = ticket_status(&ticket, found.of(&ticket)?, pace);
        Ok(Response::new(v1::ReleaseOrderResponse { status: Some(status), repeated }))
    }
}
