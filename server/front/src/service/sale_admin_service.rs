//! `SaleAdminService`: operators create, list, change, hold, close and delete sales.

use std::sync::Arc;

use inrush_core::{
    Durability, SaleId, SaleSettings, SaleSnapshot, Seq, Store, StoreError, TicketId,
    store::{ConfigureResult, DeleteResult, KnownOrder, MAX_BATCH, Precondition},
    ticket::MAX_SEQ,
};
use inrush_proto::v1;
use tonic::{Request, Response, Status};

use crate::{
    call_error::CallError,
    queue::gate::Gates,
    service::{convert, orders, update_mask},
};

/// Items on a page if the request does not set a page size.
const DEFAULT_PAGE: u32 = 50;

/// Most items on a page.
const MAX_PAGE: u32 = 500;

/// How often a change is retried after a concurrent write.
const MAX_CONFLICT_RETRIES: usize = 5;

/// The service on one core.
pub(crate) struct SaleAdminService {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Arc<Gates>,
}

#[tonic::async_trait]
impl v1::sale_admin_service_server::SaleAdminService for SaleAdminService {
    async fn create_sale(
        &self,
        request: Request<v1::CreateSaleRequest>,
    ) -> Result<Response<v1::CreateSaleResponse>, Status> {
        let given = required_sale(request.into_inner().sale)?;
        let id = sale_id(&given.sale_id)?;
        let settings = convert::settings(&given).map_err(CallError::from)?;
        let sale = self.create(&id, &settings).await?;
        Ok(Response::new(v1::CreateSaleResponse { sale: Some(convert::sale(&sale)) }))
    }

    async fn get_sale(
        &self,
        request: Request<v1::GetSaleRequest>,
    ) -> Result<Response<v1::GetSaleResponse>, Status> {
        let id = sale_id(&request.get_ref().sale_id)?;
        let sale = self.store.sale(&id).await.map_err(CallError::from)?;
        Ok(Response::new(v1::GetSaleResponse { sale: Some(convert::sale(&sale)) }))
    }

    async fn list_sales(
        &self,
        request: Request<v1::ListSalesRequest>,
    ) -> Result<Response<v1::ListSalesResponse>, Status> {
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        let after = page_token::<SaleId>(&request.page_token)?;
        let mut sales = self.store.sales(after.as_ref(), size + 1).await.map_err(CallError::from)?;
        let next_page_token = truncate_page(&mut sales, size, |sale| sale.id.to_string());
        let sales = sales.iter().map(convert::sale).collect();
        Ok(Response::new(v1::ListSalesResponse { sales, next_page_token }))
    }

    async fn update_sale(
        &self,
        request: Request<v1::UpdateSaleRequest>,
    ) -> Result<Response<v1::UpdateSaleResponse>, Status> {
        let v1::UpdateSaleRequest { sale, update_mask } = request.into_inner();
        let given = required_sale(sale)?;
        let id = sale_id(&given.sale_id)?;
        // An invalid mask is reported even if there is no such sale.
        update_mask::apply(update_mask.as_ref(), &given, &mut v1::Sale::default())?;
        let seen = (given.version != 0).then_some(given.version);
        let sale =
            self.change(&id, seen, |sale| update_mask::apply(update_mask.as_ref(), &given, sale)).await?;
        Ok(Response::new(v1::UpdateSaleResponse { sale: Some(sale) }))
    }

    async fn hold_sale(
        &self,
        request: Request<v1::HoldSaleRequest>,
    ) -> Result<Response<v1::HoldSaleResponse>, Status> {
        let request = request.into_inner();
        let sale = self.set_held(&request.sale_id, request.part, true).await?;
        Ok(Response::new(v1::HoldSaleResponse { sale: Some(sale) }))
    }

    async fn resume_sale(
        &self,
        request: Request<v1::ResumeSaleRequest>,
    ) -> Result<Response<v1::ResumeSaleResponse>, Status> {
        let request = request.into_inner();
        let sale = self.set_held(&request.sale_id, request.part, false).await?;
        Ok(Response::new(v1::ResumeSaleResponse { sale: Some(sale) }))
    }

    async fn close_sale(
        &self,
        request: Request<v1::CloseSaleRequest>,
    ) -> Result<Response<v1::CloseSaleResponse>, Status> {
        let id = sale_id(&request.get_ref().sale_id)?;
        let sale = self.store.close(&id).await.map_err(CallError::from)?;
        self.gates.invalidate(&id);
        Ok(Response::new(v1::CloseSaleResponse { sale: Some(convert::sale(&sale)) }))
    }

    async fn delete_sale(
        &self,
        request: Request<v1::DeleteSaleRequest>,
    ) -> Result<Response<v1::DeleteSaleResponse>, Status> {
        let id = sale_id(&request.get_ref().sale_id)?;
        match self.store.delete(&id).await.map_err(CallError::from)? {
            DeleteResult::Deleted => {}
            DeleteResult::NotClosed => return Err(CallError::SaleNotClosed.into()),
            DeleteResult::Busy { tickets } => return Err(CallError::SaleBusy { tickets }.into()),
        }
        self.gates.invalidate(&id);
        Ok(Response::new(v1::DeleteSaleResponse {}))
    }

    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let id = sale_id(&request.sale_id)?;
        let size = page_size(request.page_size)?;
        let after = page_token::<Seq>(&request.page_token)?.unwrap_or_default();
        let mut letters = self.store.dead_letters(&id, after, size + 1).await.map_err(CallError::from)?;
        let next_page_token = truncate_page(&mut letters, size, |letter| letter.claimed.seq.to_string());
        let dead_letters = letters.into_iter().map(|letter| {
            let ticket = TicketId { sale: id.clone(), epoch: letter.epoch, seq: letter.claimed.seq };
            convert::dead_letter(letter, ticket.to_string())
        });
        Ok(Response::new(v1::ListDeadLettersResponse {
            dead_letters: dead_letters.collect(),
            next_page_token,
        }))
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<v1::RedriveDeadLettersRequest>,
    ) -> Result<Response<v1::RedriveDeadLettersResponse>, Status> {
        let v1::RedriveDeadLettersRequest { sale_id: id, seqs } = request.into_inner();
        let id = sale_id(&id)?;
        check_seqs(&seqs)?;
        let redriven = self.store.redrive(&id, &seqs).await.map_err(CallError::from)?;
        Ok(Response::new(v1::RedriveDeadLettersResponse { seqs: filter_done(seqs, &redriven) }))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<v1::DiscardDeadLettersRequest>,
    ) -> Result<Response<v1::DiscardDeadLettersResponse>, Status> {
        let v1::DiscardDeadLettersRequest { sale_id: id, seqs } = request.into_inner();
        let id = sale_id(&id)?;
        check_seqs(&seqs)?;
        let discarded = self.store.discard(&id, &seqs).await.map_err(CallError::from)?;
        self.gates.invalidate(&id);
        Ok(Response::new(v1::DiscardDeadLettersResponse { seqs: filter_done(seqs, &discarded) }))
    }

    async fn reconcile_orders(
        &self,
        request: Request<v1::ReconcileOrdersRequest>,
    ) -> Result<Response<v1::ReconcileOrdersResponse>, Status> {
        let v1::ReconcileOrdersRequest { sale_id: id, orders, repair } = request.into_inner();
        let id = sale_id(&id)?;
        if !(1..=MAX_BATCH).contains(&orders.len()) {
            return Err(CallError::field("orders", "must be 1 to 256 orders").into());
        }
        let orders: Vec<KnownOrder> =
            orders.iter().map(|order| orders::known_order(&id, order)).collect::<Result<_, _>>()?;
        let findings = self.store.reconcile(&id, &orders, repair).await.map_err(CallError::from)?;
        if repair {
            self.gates.invalidate(&id);
        }
        let comparisons = findings.into_iter().map(orders::comparison).collect();
        Ok(Response::new(v1::ReconcileOrdersResponse { comparisons }))
    }
}

impl SaleAdminService {
    async fn create(&self, id: &SaleId, settings: &SaleSettings) -> Result<SaleSnapshot, CallError> {
        self.check_durability(settings.durability).await?;
        let mut configured = self.store.configure(id, settings, Precondition::Absent).await;
        if let Err(error @ StoreError::Corrupt(_)) = &configured {
            // The reply is unreadable, but the sale may exist. A repetition completes the creation and returns it.
            tracing::warn!(sale = %id, %error, "reply of a creation is unreadable; repeating the creation");
            configured = self.store.configure(id, settings, Precondition::Absent).await;
        }
        self.gates.invalidate(id);
        match configured? {
            ConfigureResult::Done(sale) => Ok(sale),
            ConfigureResult::Conflict(Some(sale)) if sale.closed => {
                Err(CallError::ClosedSaleExists(id.clone()))
            }
            ConfigureResult::Conflict(Some(sale)) if sale.settings == *settings => Ok(sale),
            ConfigureResult::Closed => Err(CallError::ClosedSaleExists(id.clone())),
            ConfigureResult::Conflict(_) => Err(CallError::SaleExists(id.clone())),
            ConfigureResult::CapBelowHeld { held } => Err(CallError::CapBelowHeld { held }),
            ConfigureResult::StockBelowCommitted { committed } => {
                Err(CallError::StockBelowCommitted { committed })
            }
        }
    }

    async fn set_held(&self, id: &str, part: i32, held: bool) -> Result<v1::Sale, CallError> {
        let id = sale_id(id)?;
        let set: fn(&mut v1::Sale, bool) = match v1::SalePart::try_from(part) {
            Ok(v1::SalePart::Admission) => |sale, held| sale.admission_held = held,
            Ok(v1::SalePart::Fulfilment) => |sale, held| sale.fulfilment_held = held,
            Ok(v1::SalePart::Unspecified) | Err(_) => {
                return Err(CallError::field("part", "must be SALE_PART_ADMISSION or SALE_PART_FULFILMENT"));
            }
        };
        let change = |sale: &mut v1::Sale| {
            set(sale, held);
            Ok(())
        };
        self.change(&id, None, change).await
    }

    /// Optimistic update: reads a sale, changes it, writes it back, and retries after a concurrent write.
    /// `seen` is the one version that the caller wants to change.
    async fn change(
        &self,
        id: &SaleId,
        seen: Option<u64>,
        change: impl Fn(&mut v1::Sale) -> Result<(), CallError> + Send + Sync,
    ) -> Result<v1::Sale, CallError> {
        let mut current = self.store.sale(id).await?;
        for _ in 0..MAX_CONFLICT_RETRIES {
            let conflict = |current| CallError::VersionConflict { sale: id.clone(), current };
            if seen.is_some_and(|seen| seen != current.version) {
                return Err(conflict(current.version));
            }
            let mut message = convert::sale(&current);
            change(&mut message)?;
            let settings = convert::settings(&message)?;
            if settings == current.settings {
                return Ok(convert::sale(&current));
            }
            self.check_change(&current.settings, &settings).await?;
            let configured =
                self.store.configure(id, &settings, Precondition::Version(current.version)).await?;
            self.gates.invalidate(id);
            match configured {
                ConfigureResult::Done(sale) => return Ok(convert::sale(&sale)),
                ConfigureResult::Conflict(Some(newer)) => current = newer,
                ConfigureResult::Conflict(None) => return Err(CallError::SaleNotFound(id.clone())),
                ConfigureResult::CapBelowHeld { held } => return Err(CallError::CapBelowHeld { held }),
                ConfigureResult::StockBelowCommitted { committed } => {
                    return Err(CallError::StockBelowCommitted { committed });
                }
                ConfigureResult::Closed => return Err(CallError::SaleClosed),
            }
        }
        Err(CallError::VersionConflict { sale: id.clone(), current: current.version })
    }

    async fn check_change(&self, from: &SaleSettings, to: &SaleSettings) -> Result<(), CallError> {
        if from.has_stock() != to.has_stock() {
            return Err(CallError::StockFixed);
        }
        if from.durability == to.durability {
            return Ok(());
        }
        self.check_durability(to.durability).await
    }

    async fn check_durability(&self, wanted: Durability) -> Result<(), CallError> {
        if wanted != Durability::Memory && !self.store.supports_durability(wanted).await? {
            return Err(CallError::DurabilityUnavailable(wanted));
        }
        Ok(())
    }
}

fn required_sale(sale: Option<v1::Sale>) -> Result<v1::Sale, CallError> {
    sale.ok_or_else(|| CallError::field("sale", "is needed"))
}

fn sale_id(text: &str) -> Result<SaleId, CallError> {
    Ok(text.parse()?)
}

fn check_seqs(seqs: &[Seq]) -> Result<(), CallError> {
    let is_valid =
        (1..=MAX_BATCH).contains(&seqs.len()) && seqs.iter().all(|seq| (1..=MAX_SEQ).contains(seq));
    is_valid.then_some(()).ok_or_else(|| CallError::field("seqs", "must be 1 to 256 seqs, each at least 1"))
}

fn page_size(given: u32) -> Result<usize, CallError> {
    let size = if given == 0 { DEFAULT_PAGE } else { given };
    let invalid = || CallError::field("page_size", "must be 1 to 500, or left out for 50");
    (size <= MAX_PAGE).then_some(size).and_then(|size| usize::try_from(size).ok()).ok_or_else(invalid)
}

/// A page token is the last item of the page before.
fn page_token<T: std::str::FromStr>(token: &str) -> Result<Option<T>, CallError> {
    if token.is_empty() {
        return Ok(None);
    }
    let invalid = |_| CallError::field("page_token", "must be next_page_token of the page before, or empty");
    token.parse().map(Some).map_err(invalid)
}

/// Truncates what was read to one page, and returns the token of the next page if there is one.
fn truncate_page<T>(items: &mut Vec<T>, size: usize, token: impl Fn(&T) -> String) -> String {
    let has_more = items.len() > size;
    items.truncate(size);
    if has_more { items.last().map(token).unwrap_or_default() } else { String::new() }
}

fn filter_done(seqs: Vec<Seq>, done: &[bool]) -> Vec<Seq> {
    seqs.into_iter().zip(done).filter_map(|(seq, done)| done.then_some(seq)).collect()
}
