//! A front scripted by the test.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use inrush_orders::OrderStore;
use inrush_proto::v1::{
    GetSaleRequest, GetSaleResponse, ReleaseOrderRequest, ReleaseOrderResponse, Sale,
    sale_admin_service_server::{SaleAdminService, SaleAdminServiceServer},
    settlement_service_server::{SettlementService, SettlementServiceServer},
};
use prost_types::Timestamp;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// Shared by the test and the front.
#[derive(Default)]
pub(crate) struct Script {
    /// The stock of each existing sale.
    pub(crate) sales: HashMap<String, Option<u64>>,
    /// When these sales were created, in seconds; others at 0.
    pub(crate) created: HashMap<String, i64>,
    /// The number of lookups by sale.
    pub(crate) lookups: HashMap<String, u32>,
    /// If set, the answer about a sale's stock waits for a permit after the stock was read.
    pub(crate) gate: Option<Arc<Semaphore>>,
    /// The front has no ticket.
    pub(crate) not_found: bool,
    /// The number of releases that arrived.
    pub(crate) releases: usize,
    /// Tickets that the front does not see as ordered; each is refused once.
    pub(crate) not_ordered: HashSet<String>,
    /// Released tickets in order, with the remaining stock of `shoes` in the order store at that time.
    pub(crate) released: Vec<(String, u64)>,
    /// The bearer token of the last call.
    pub(crate) authorization: Option<String>,
    /// The order store to read while a release arrives.
    pub(crate) store: Option<OrderStore>,
}

/// A running front.
pub(crate) struct FakeFront {
    pub(crate) address: SocketAddr,
    pub(crate) script: Arc<Mutex<Script>>,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl FakeFront {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener)
    }

    /// On the port of an earlier one.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        Self::serve(TcpListener::bind(address).await.unwrap())
    }

    fn serve(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let script = Arc::<Mutex<Script>>::default();
        let shutdown = CancellationToken::new();
        let service = Service(Arc::clone(&script));
        let serving = tonic::transport::Server::builder()
            .add_service(SaleAdminServiceServer::new(service.clone()))
            .add_service(SettlementServiceServer::new(service))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), shutdown.clone().cancelled_owned());
        Self { address, script, shutdown, serving: tokio::spawn(serving) }
    }

    /// Returns when all clients have disconnected.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }

    pub(crate) fn url(&self) -> inrush_orders::FrontUrl {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn set_stock(&self, sale_id: &str, stock: Option<u64>) {
        self.script.lock().unwrap().sales.insert(sale_id.to_owned(), stock);
    }

    /// Creates a sale, in place of an earlier one of that id.
    pub(crate) fn create(&self, sale_id: &str, created_at_seconds: i64, stock: u64) {
        self.set_stock(sale_id, Some(stock));
        self.script.lock().unwrap().created.insert(sale_id.to_owned(), created_at_seconds);
    }

    pub(crate) fn releases(&self) -> usize {
        self.script.lock().unwrap().releases
    }

    pub(crate) fn lookups(&self, sale_id: &str) -> u32 {
        self.script.lock().unwrap().lookups.get(sale_id).copied().unwrap_or_default()
    }
}

impl Script {
    fn look_up(
        &mut self,
        request: &Request<GetSaleRequest>,
    ) -> (Result<Response<GetSaleResponse>, Status>, Option<Arc<Semaphore>>) {
        let token = request.metadata().get("authorization");
        self.authorization = token.map(|token| token.to_str().unwrap().to_owned());
        let sale_id = request.get_ref().sale_id.clone();
        *self.lookups.entry(sale_id.clone()).or_default() += 1;
        let answer = match self.sales.get(&sale_id) {
            Some(stock) => {
                let created = self.created.get(&sale_id);
                let create_time = created.map(|&seconds| Timestamp { seconds, nanos: 0 });
                let sale = Sale { sale_id, stock: *stock, create_time, ..Sale::default() };
                Ok(Response::new(GetSaleResponse { sale: Some(sale) }))
            }
            None => Err(Status::not_found("no such sale")),
        };
        (answer, self.gate.clone())
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<Script>>);

#[tonic::async_trait]
impl SettlementService for Service {
    async fn release_order(
        &self,
        request: Request<ReleaseOrderRequest>,
    ) -> Result<Response<ReleaseOrderResponse>, Status> {
        let ticket_id = request.into_inner().ticket_id;
        let store = {
            let mut script = self.0.lock().unwrap();
            script.releases += 1;
            if script.not_found {
                return Err(Status::not_found("no such ticket"));
            }
            if script.not_ordered.remove(&ticket_id) {
                return Err(Status::failed_precondition("the ticket is PROCESSING"));
            }
            script.store.clone()
        };
        let remaining = match store {
            Some(store) => crate::databases::remaining(&store, "shoes").await,
            None => 0,
        };
        self.0.lock().unwrap().released.push((ticket_id, remaining));
        Ok(Response::new(ReleaseOrderResponse::default()))
    }
}

macro_rules! unused {
    ($($method:ident: $request:ident => $response:ident),+ $(,)?) => {
        #[tonic::async_trait]
        impl SaleAdminService for Service {
            async fn get_sale(&self, request: Request<GetSaleRequest>) -> Result<Response<GetSaleResponse>, Status> {
                let (answer, gate) = self.0.lock().unwrap().look_up(&request);
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                answer
            }

            $(async fn $method(
                &self,
                _: Request<inrush_proto::v1::$request>,
            ) -> Result<Response<inrush_proto::v1::$response>, Status> {
                Err(Status::unimplemented("not used by the order system"))
            })+
        }
    };
}

unused!(
    create_sale: CreateSaleRequest => CreateSaleResponse,
    list_sales: ListSalesRequest => ListSalesResponse,
    update_sale: UpdateSaleRequest => UpdateSaleResponse,
    hold_sale: HoldSaleRequest => HoldSaleResponse,
    resume_sale: ResumeSaleRequest => ResumeSaleResponse,
    close_sale: CloseSaleRequest => CloseSaleResponse,
    delete_sale: DeleteSaleRequest => DeleteSaleResponse,
    list_dead_letters: ListDeadLettersRequest => ListDeadLettersResponse,
    redrive_dead_letters: RedriveDeadLettersRequest => RedriveDeadLettersResponse,
    discard_dead_letters: DiscardDeadLettersRequest => DiscardDeadLettersResponse,
    reconcile_orders: ReconcileOrdersRequest => ReconcileOrdersResponse,
);
