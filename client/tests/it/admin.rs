//! The calls of operators and settlement, against servers that record their requests.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use inrush_client::{
    CallError, Client, ClientSettings, TicketState,
    proto::{
        CloseSaleRequest, CloseSaleResponse, CreateSaleRequest, CreateSaleResponse, DeadLetter,
        DeleteSaleRequest, DeleteSaleResponse, DiscardDeadLettersRequest, DiscardDeadLettersResponse,
        GetSaleRequest, GetSaleResponse, HoldSaleRequest, HoldSaleResponse, KnownOrder,
        ListDeadLettersRequest, ListDeadLettersResponse, ListSalesRequest, ListSalesResponse,
        OrderComparison, ReconcileOrdersRequest, ReconcileOrdersResponse, RedriveDeadLettersRequest,
        RedriveDeadLettersResponse, ReleaseOrderRequest, ReleaseOrderResponse, ResumeSaleRequest,
        ResumeSaleResponse, Sale, SalePart, TicketState as ProtoState, UpdateSaleRequest, UpdateSaleResponse,
        sale_admin_service_server::{SaleAdminService, SaleAdminServiceServer},
        settlement_service_server::{SettlementService, SettlementServiceServer},
    },
};
use parking_lot::Mutex;
use tonic::{Request, Response, Status, transport::Server};

use crate::fake::{in_process, in_state};

/// Sales of one page.
const PAGE: usize = 2;

/// A SaleAdminService that fails each first attempt and then does the observable minimum.
#[derive(Debug, Default)]
struct Operators {
    requests: Mutex<Vec<String>>,
}

impl Operators {
    /// Records a request; fails the first attempt of each.
    fn note(&self, request: &impl std::fmt::Debug) -> Result<(), Status> {
        let request = format!("{request:?}");
        let mut requests = self.requests.lock();
        let known = requests.contains(&request);
        requests.push(request);
        if known { Ok(()) } else { Err(Status::unavailable("try again")) }
    }

    fn take<M: std::fmt::Debug>(&self, request: Request<M>) -> Result<M, Status> {
        let message = request.into_inner();
        self.note(&message)?;
        Ok(message)
    }
}

fn sale(sale_id: impl Into<String>) -> Option<Sale> {
    Some(Sale { sale_id: sale_id.into(), ..Default::default() })
}

/// Returns a page of a list whose tokens are indexes.
fn page<T: Clone>(items: &[T], token: &str) -> (Vec<T>, String) {
    let start = token.parse().unwrap_or(0);
    let end = items.len().min(start + PAGE);
    let next = if end < items.len() { end.to_string() } else { String::new() };
    (items[start..end].to_vec(), next)
}

#[tonic::async_trait]
impl SaleAdminService for Operators {
    async fn create_sale(
        &self,
        request: Request<CreateSaleRequest>,
    ) -> Result<Response<CreateSaleResponse>, Status> {
        Ok(Response::new(CreateSaleResponse { sale: self.take(request)?.sale }))
    }

    async fn get_sale(&self, request: Request<GetSaleRequest>) -> Result<Response<GetSaleResponse>, Status> {
        let request = self.take(request)?;
        if request.sale_id == "headless" {
            return Ok(Response::new(GetSaleResponse { sale: None }));
        }
        Ok(Response::new(GetSaleResponse { sale: sale(request.sale_id) }))
    }

    async fn list_sales(
        &self,
        request: Request<ListSalesRequest>,
    ) -> Result<Response<ListSalesResponse>, Status> {
        let request = self.take(request)?;
        let sales: Vec<Sale> = ["a", "b", "c", "d", "e"].into_iter().filter_map(sale).collect();
        let (sales, next_page_token) = page(&sales, &request.page_token);
        Ok(Response::new(ListSalesResponse { sales, next_page_token }))
    }

    async fn update_sale(
        &self,
        request: Request<UpdateSaleRequest>,
    ) -> Result<Response<UpdateSaleResponse>, Status> {
        let request = self.take(request)?;
        assert_eq!(request.update_mask.unwrap().paths, ["stock", "pace"]);
        Ok(Response::new(UpdateSaleResponse { sale: request.sale }))
    }

    async fn hold_sale(
        &self,
        request: Request<HoldSaleRequest>,
    ) -> Result<Response<HoldSaleResponse>, Status> {
        let request = self.take(request)?;
        assert_eq!(request.part(), SalePart::Admission);
        Ok(Response::new(HoldSaleResponse { sale: sale(request.sale_id) }))
    }

    async fn resume_sale(
        &self,
        request: Request<ResumeSaleRequest>,
    ) -> Result<Response<ResumeSaleResponse>, Status> {
        let request = self.take(request)?;
        assert_eq!(request.part(), SalePart::Fulfilment);
        Ok(Response::new(ResumeSaleResponse { sale: sale(request.sale_id) }))
    }

    async fn close_sale(
        &self,
        request: Request<CloseSaleRequest>,
    ) -> Result<Response<CloseSaleResponse>, Status> {
        Ok(Response::new(CloseSaleResponse { sale: sale(self.take(request)?.sale_id) }))
    }

    async fn delete_sale(
        &self,
        request: Request<DeleteSaleRequest>,
    ) -> Result<Response<DeleteSaleResponse>, Status> {
        self.take(request)?;
        Ok(Response::new(DeleteSaleResponse {}))
    }

    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let request = self.take(request)?;
        assert_eq!(request.sale_id, "shoes");
        let letters: Vec<DeadLetter> = (1..=3).map(|seq| DeadLetter { seq, ..Default::default() }).collect();
        let (dead_letters, next_page_token) = page(&letters, &request.page_token);
        Ok(Response::new(ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<RedriveDeadLettersRequest>,
    ) -> Result<Response<RedriveDeadLettersResponse>, Status> {
        let request = self.take(request)?;
        assert!(request.seqs.len() <= 256);
        let seqs = request.seqs.into_iter().filter(|seq| seq % 2 == 0).collect();
        Ok(Response::new(RedriveDeadLettersResponse { seqs }))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<DiscardDeadLettersRequest>,
    ) -> Result<Response<DiscardDeadLettersResponse>, Status> {
        let request = self.take(request)?;
        Ok(Response::new(DiscardDeadLettersResponse { seqs: request.seqs }))
    }

    async fn reconcile_orders(
        &self,
        request: Request<ReconcileOrdersRequest>,
    ) -> Result<Response<ReconcileOrdersResponse>, Status> {
        let request = self.take(request)?;
        assert!(request.orders.len() <= 256 && request.repair);
        let state = |order: &KnownOrder| i32::try_from(order.units % 3).unwrap();
        let comparisons = request
            .orders
            .iter()
            .map(|order| OrderComparison { finding: state(order), ..OrderComparison::default() })
            .collect();
        Ok(Response::new(ReconcileOrdersResponse { comparisons }))
    }
}

/// A SettlementService that loses its first answer.
#[derive(Debug, Default)]
struct Orders {
    calls: Mutex<u32>,
}

#[tonic::async_trait]
impl SettlementService for Orders {
    async fn release_order(
        &self,
        request: Request<ReleaseOrderRequest>,
    ) -> Result<Response<ReleaseOrderResponse>, Status> {
        let mut calls = self.calls.lock();
        *calls += 1;
        assert_eq!(request.into_inner().ticket_id, "shoes/1/100");
        if *calls == 1 {
            return Err(Status::unavailable("the answer was lost"));
        }
        let status = Some(in_state(ProtoState::Released));
        Ok(Response::new(ReleaseOrderResponse { status, repeated: true }))
    }
}

async fn client(operators: &Arc<Operators>) -> Client {
    let router = Server::builder()
        .add_service(SaleAdminServiceServer::from_arc(Arc::clone(operators)))
        .add_service(SettlementServiceServer::new(Orders::default()));
    in_process(router, ClientSettings::new("http://memory")).await
}

#[tokio::test(start_paused = true)]
async fn every_admin_call_is_sent_and_retried() {
    let operators = Arc::new(Operators::default());
    let admin = client(&operators).await.admin();
    let shoes = sale("shoes").unwrap();
    let answers = [
        admin.create_sale(shoes.clone()).await,
        admin.get_sale("shoes").await,
        admin.update_sale(shoes.clone(), ["stock", "pace"]).await,
        admin.hold_sale("shoes", SalePart::Admission).await,
        admin.resume_sale("shoes", SalePart::Fulfilment).await,
        admin.close_sale("shoes").await,
    ];
    for answer in answers {
        assert_eq!(answer.unwrap(), shoes);
    }
    admin.delete_sale("shoes").await.unwrap();
    assert_eq!(operators.requests.lock().len(), 14, "seven calls, two attempts each");
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_to_the_last_page() {
    let admin = client(&Arc::default()).await.admin();
    let sales: Vec<Sale> = admin.list_sales().try_collect().await.unwrap();
    assert_eq!(sales.iter().map(|sale| sale.sale_id.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    let letters: Vec<DeadLetter> = admin.list_dead_letters("shoes").try_collect().await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.seq).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_redriven_and_discarded_in_batches() {
    let admin = client(&Arc::default()).await.admin();
    let seqs: Vec<u64> = (1..=600).collect();
    let redriven = admin.redrive_dead_letters("shoes", &seqs).await.unwrap();
    assert_eq!(redriven, (1..=600).filter(|seq| seq % 2 == 0).collect::<Vec<_>>());
    assert_eq!(admin.discard_dead_letters("shoes", &seqs).await.unwrap(), seqs);
}

#[tokio::test(start_paused = true)]
async fn orders_are_compared_in_batches() {
    let admin = client(&Arc::default()).await.admin();
    let orders: Vec<KnownOrder> =
        (1..=600).map(|units| KnownOrder { units, ..KnownOrder::default() }).collect();
    let compared = admin.reconcile_orders("shoes", &orders, true).await.unwrap();
    let findings: Vec<i32> = compared.iter().map(|comparison| comparison.finding).collect();
    assert_eq!(findings, (1..=600).map(|units| units % 3).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_a_sale_is_an_error() {
    let admin = client(&Arc::default()).await.admin();
    let error = admin.get_sale("headless").await.unwrap_err();
    assert!(matches!(&error, CallError::Other(_)), "{error}");
    assert!(error.to_string().contains("no sale"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_order_is_released_once_although_the_answer_was_lost() {
    let settlement = client(&Arc::default()).await.settlement();
    let released = settlement.release_order("shoes/1/100").await.unwrap();
    assert_eq!((released.status.state, released.repeated), (TicketState::Released, true));
}
