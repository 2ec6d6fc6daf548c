//! A proxy in front of the front that answers with wrong positions and forwards everything else.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::StreamExt as _;
use inrush_proto::v1::{
    BatchPollStatusRequest, BatchPollStatusResponse, CancelRequest, CancelResponse, CloseSaleRequest,
    CloseSaleResponse, CreateSaleRequest, CreateSaleResponse, DeleteSaleRequest, DeleteSaleResponse,
    DiscardDeadLettersRequest, DiscardDeadLettersResponse, EnqueueRequest, EnqueueResponse, GetSaleRequest,
    GetSaleResponse, HoldSaleRequest, HoldSaleResponse, ListDeadLettersRequest, ListDeadLettersResponse,
    ListSalesRequest, ListSalesResponse, PollStatusRequest, PollStatusResponse, ReconcileOrdersRequest,
    ReconcileOrdersResponse, RedriveDeadLettersRequest, RedriveDeadLettersResponse, ReleaseOrderRequest,
    ReleaseOrderResponse, ResumeSaleRequest, ResumeSaleResponse, TicketState, TicketStatus,
    UpdateSaleRequest, UpdateSaleResponse, WatchStatusRequest, WatchStatusResponse,
    enqueue_response::Outcome,
    queue_service_client::QueueServiceClient,
    queue_service_server::{QueueService, QueueServiceServer},
    sale_admin_service_client::SaleAdminServiceClient,
    sale_admin_service_server::{SaleAdminService, SaleAdminServiceServer},
    settlement_service_client::SettlementServiceClient,
    settlement_service_server::{SettlementService, SettlementServiceServer},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

/// The position that a waiting buyer gets, from the ticket's number and the number of answers so far.
type Lie = fn(u64, u64) -> u64;

/// A server that lies. Stops when it is dropped.
pub(crate) struct Liar {
    address: SocketAddr,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Service {
    front: Channel,
    answers: Arc<AtomicU64>,
    lie: Lie,
}

impl Liar {
    pub(crate) fn in_front_of(front: &str, lie: Lie) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (listener, channel) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let endpoint = Endpoint::from_shared(format!("http://{front}")).expect("an address");
            (listener, endpoint.connect_lazy())
        });
        let address = listener.local_addr().expect("it is bound");
        let service = Service { front: channel, answers: Arc::default(), lie };
        let router = Server::builder()
            .max_concurrent_streams(100_000)
            .add_service(QueueServiceServer::new(service.clone()))
            .add_service(SettlementServiceServer::new(service.clone()))
            .add_service(SaleAdminServiceServer::new(service));
        runtime.spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, _runtime: runtime }
    }

    pub(crate) fn front(&self) -> String {
        self.address.to_string()
    }
}

impl Service {
    fn alter(&self, status: &mut Option<TicketStatus>) {
        let Some(status) = status.as_mut().filter(|status| status.state() == TicketState::Waiting) else {
            return;
        };
        let seq =
            status.ticket_id.rsplit('/').next().and_then(|seq| seq.parse().ok()).expect("a ticket's name");
        status.position = (self.lie)(seq, self.answers.fetch_add(1, Ordering::Relaxed));
    }
}

/// A service whose calls are passed on as they are.
macro_rules! pass_on {
    ($service:ident, $client:ident, $($method:ident($request:ident) -> $response:ident),* $(,)?) => {
        #[tonic::async_trait]
        impl $service for Service {
            $(async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                $client::new(self.front.clone()).$method(request.into_inner()).await
            })*
        }
    };
}

#[tonic::async_trait]
impl QueueService for Service {
    type WatchStatusStream = Pin<Box<dyn Stream<Item = Result<WatchStatusResponse, Status>> + Send>>;

    async fn enqueue(&self, request: Request<EnqueueRequest>) -> Result<Response<EnqueueResponse>, Status> {
        let mut response = QueueServiceClient::new(self.front.clone()).enqueue(request.into_inner()).await?;
        if let Some(Outcome::Queued(queued)) = &mut response.get_mut().outcome {
            self.alter(&mut queued.status);
        }
        Ok(response)
    }

    async fn poll_status(
        &self,
        request: Request<PollStatusRequest>,
    ) -> Result<Response<PollStatusResponse>, Status> {
        let mut response =
            QueueServiceClient::new(self.front.clone()).poll_status(request.into_inner()).await?;
        self.alter(&mut response.get_mut().status);
        Ok(response)
    }

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let watched = QueueServiceClient::new(self.front.clone()).watch_status(request.into_inner()).await?;
        let service = self.clone();
        let altered = watched.into_inner().map(move |change| {
            change.map(|mut change| {
                service.alter(&mut change.status);
                change
            })
        });
        Ok(Response::new(Box::pin(altered)))
    }

    async fn batch_poll_status(
        &self,
        request: Request<BatchPollStatusRequest>,
    ) -> Result<Response<BatchPollStatusResponse>, Status> {
        QueueServiceClient::new(self.front.clone()).batch_poll_status(request.into_inner()).await
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        QueueServiceClient::new(self.front.clone()).cancel(request.into_inner()).await
    }
}

pass_on! {
    SettlementService, SettlementServiceClient,
    release_order(ReleaseOrderRequest) -> ReleaseOrderResponse,
}

pass_on! {
    SaleAdminService, SaleAdminServiceClient,
        create_sale(CreateSaleRequest) -> CreateSaleResponse,
        get_sale(GetSaleRequest) -> GetSaleResponse,
        list_sales(ListSalesRequest) -> ListSalesResponse,
        update_sale(UpdateSaleRequest) -> UpdateSaleResponse,
        hold_sale(HoldSaleRequest) -> HoldSaleResponse,
        resume_sale(ResumeSaleRequest) -> ResumeSaleResponse,
        close_sale(CloseSaleRequest) -> CloseSaleResponse,
        delete_sale(DeleteSaleRequest) -> DeleteSaleResponse,
        list_dead_letters(ListDeadLettersRequest) -> ListDeadLettersResponse,
        redrive_dead_letters(RedriveDeadLettersRequest) -> RedriveDeadLettersResponse,
        discard_dead_letters(DiscardDeadLettersRequest) -> DiscardDeadLettersResponse,
        reconcile_orders(ReconcileOrdersRequest) -> ReconcileOrdersResponse,
}
