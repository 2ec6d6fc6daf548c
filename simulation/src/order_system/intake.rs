//! The streams into an order system.

use std::{pin::Pin, sync::Arc};

use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, ListOrdersRequest, ListOrdersResponse, OrderRequest,
    order_creation_service_server::OrderCreationService,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::log::{Delivery, OrderLog};
use crate::buyer::{Buyer, buyer_of, ticket_parts};

/// Capacity of the channel of answers beyond the credit: for the greeting, and one spare.
const SPARE_ANSWERS: usize = 2;

/// Answers to one stream.
pub(super) type AnswerSender = mpsc::Sender<Result<CreateOrdersResponse, Status>>;

/// The job of an entry.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) ticket_id: String,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) buyer: Option<Buyer>,
    pub(super) units: u64,
    pub(super) attempt: u32,
}

/// Receives entries, logs them and passes them to the model.
pub(super) struct Intake {
    pub(super) jobs: mpsc::Sender<(Wanted, AnswerSender)>,
    pub(super) log: Arc<OrderLog>,
    pub(super) credit: u32,
    pub(super) opening: Instant,
}

#[tonic::async_trait]
impl OrderCreationService for Intake {
    type CreateOrdersStream = Pin<Box<dyn Stream<Item = Result<CreateOrdersResponse, Status>> + Send>>;

    async fn create_orders(
        &self,
        request: Request<Streaming<CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        let room = usize::try_from(self.credit).unwrap_or(usize::MAX).saturating_add(SPARE_ANSWERS);
        let (answers, outgoing) = mpsc::channel(room.min(tokio::sync::Semaphore::MAX_PERMITS));
        let greeting = CreateOrdersResponse { results: Vec::new(), credit: self.credit };
        // The channel is empty, and has room.
        let _ = answers.try_send(Ok(greeting));
        let reader = Reader {
            jobs: self.jobs.clone(),
            log: Arc::clone(&self.log),
            opening: self.opening,
            stream: self.log.open_stream(),
            answers,
        };
        tokio::spawn(reader.read(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }

    async fn list_orders(
        &self,
        _request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented("the simulation's order system lists no orders"))
    }
}

/// Reads one stream. The stream of answers ends with the last job that holds its sender.
struct Reader {
    jobs: mpsc::Sender<(Wanted, AnswerSender)>,
    log: Arc<OrderLog>,
    opening: Instant,
    stream: u64,
    answers: AnswerSender,
}

impl Reader {
    async fn read(self, mut entries: Streaming<CreateOrdersRequest>) {
        // A broken stream is treated as ended: its entries are processed.
        while let Ok(Some(request)) = entries.message().await {
            for order in request.orders {
                let wanted = self.note(order);
                if self.jobs.send((wanted, self.answers.clone())).await.is_err() {
                    return;
                }
            }
        }
    }

    fn note(&self, order: OrderRequest) -> Wanted {
        let OrderRequest { ticket_id, seq, buyer_id, units, attempt, .. } = order;
        let epoch = ticket_parts(&ticket_id).map_or(0, |(_, epoch, _)| epoch);
        let buyer = buyer_of(&buyer_id);
        self.log.delivered(Delivery {
            at: self.opening.elapsed(),
            stream: self.stream,
            epoch,
            seq,
            buyer,
            units,
            attempt,
        });
        Wanted { ticket_id, epoch, seq, buyer, units, attempt }
    }
}
