//! The calls of operators: create, watch and control sales.

use futures_util::stream::BoxStream;
use inrush_proto::v1::{
    CloseSaleRequest, CreateSaleRequest, DeadLetter, DeleteSaleRequest, DiscardDeadLettersRequest,
    GetSaleRequest, HoldSaleRequest, KnownOrder, ListDeadLettersRequest, ListSalesRequest, OrderComparison,
    ReconcileOrdersRequest, RedriveDeadLettersRequest, ResumeSaleRequest, Sale, SalePart, UpdateSaleRequest,
};
use prost_types::FieldMask;

use crate::{
    client::Client,
    error::CallError,
    pages::{Page, all_pages},
};

/// Items in a page of a list; the limit of the protocol.
const PAGE_SIZE: u32 = 500;

/// Dead letters in one request; the limit of the protocol.
const MAX_DEAD_LETTERS: usize = 256;

/// Orders in one request; the limit of the protocol.
const MAX_ORDERS: usize = 256;

/// Controls sales; from [`Client::admin`]. Calls are retried like all others, and a change whose answer was
/// lost is made once.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Client {
    /// The calls of operators.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}

impl Admin {
    /// Creates a sale; output-only fields are ignored. Repeating a creation is harmless;
    /// [`CallError::AlreadyExists`] means that a sale with this id has other settings,
    /// [`CallError::FailedPrecondition`] that it is closed: it must be deleted first.
    pub async fn create_sale(&self, sale: Sale) -> Result<Sale, CallError> {
        let message = CreateSaleRequest { sale: Some(sale) };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().create_sale(request).await })
            })
            .await?;
        required(reply.sale)
    }

    /// Gets one sale with its live state and ledger.
    pub async fn get_sale(&self, sale: impl Into<String>) -> Result<Sale, CallError> {
        let message = GetSaleRequest { sale_id: sale.into() };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().get_sale(request).await })
            })
            .await?;
        required(reply.sale)
    }

    /// All sales by id, page by page as they are read.
    pub fn list_sales(&self) -> BoxStream<'static, Result<Sale, CallError>> {
        let client = self.client.clone();
        all_pages(move |page_token| {
            let client = client.clone();
            Box::pin(async move {
                let message = ListSalesRequest { page_size: PAGE_SIZE, page_token };
                let reply = client
                    .call(message, |clients, request| {
                        Box::pin(async move { clients.admin().list_sales(request).await })
                    })
                    .await?;
                Ok(Page { items: reply.sales, next_page_token: reply.next_page_token })
            })
        })
    }

    /// Changes the named fields (in the spelling of the protocol, such as `stock`) of a running sale; a named
    /// field that is absent in `sale` is reset to its default. With `version` set, only that version is
    /// changed: a repeat after a lost answer can then fail although the change was made, so read the sale
    /// before changing it again.
    pub async fn update_sale(
        &self,
        sale: Sale,
        fields: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Sale, CallError> {
        let update_mask = FieldMask { paths: fields.into_iter().map(Into::into).collect() };
        let message = UpdateSaleRequest { sale: Some(sale), update_mask: Some(update_mask) };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().update_sale(request).await })
            })
            .await?;
        required(reply.sale)
    }

    /// Puts admission or fulfilment on hold.
    pub async fn hold_sale(&self, sale: impl Into<String>, part: SalePart) -> Result<Sale, CallError> {
        let message = HoldSaleRequest { sale_id: sale.into(), part: part.into() };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().hold_sale(request).await })
            })
            .await?;
        required(reply.sale)
    }

    /// Resumes admission or fulfilment.
    pub async fn resume_sale(&self, sale: impl Into<String>, part: SalePart) -> Result<Sale, CallError> {
        let message = ResumeSaleRequest { sale_id: sale.into(), part: part.into() };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().resume_sale(request).await })
            })
            .await?;
        required(reply.sale)
    }

    /// Closes a sale for good: waiting tickets expire, claimed ones are finished.
    pub async fn close_sale(&self, sale: impl Into<String>) -> Result<Sale, CallError> {
        let message = CloseSaleRequest { sale_id: sale.into() };
        let reply = self
            .client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().close_sale(request).await })
            })
            .await?;
        required(reply.sale)
    }

    /// Deletes a closed sale with all its tickets. If the answer of a first attempt was lost, the result can
    /// be [`CallError::NotFound`].
    pub async fn delete_sale(&self, sale: impl Into<String>) -> Result<(), CallError> {
        let message = DeleteSaleRequest { sale_id: sale.into() };
        self.client
            .call(message, |clients, request| {
                Box::pin(async move { clients.admin().delete_sale(request).await })
            })
            .await?;
        Ok(())
    }

    /// All dead tickets of a sale in queue order, page by page as they are read.
    pub fn list_dead_letters(
        &self,
        sale: impl Into<String>,
    ) -> BoxStream<'static, Result<DeadLetter, CallError>> {
        let (client, sale_id) = (self.client.clone(), sale.into());
        all_pages(move |page_token| {
            let (client, sale_id) = (client.clone(), sale_id.clone());
            Box::pin(async move {
                let message = ListDeadLettersRequest { sale_id, page_size: PAGE_SIZE, page_token };
                let reply = client
                    .call(message, |clients, request| {
                        Box::pin(async move { clients.admin().list_dead_letters(request).await })
                    })
                    .await?;
                Ok(Page { items: reply.dead_letters, next_page_token: reply.next_page_token })
            })
        })
    }

    /// Puts dead tickets back into the queue with their seqs, and returns the seqs of those. A seq is missing
    /// if its ticket was not dead, or if an attempt whose answer was lost had redriven it.
    pub async fn redrive_dead_letters(
        &self,
        sale: impl Into<String>,
        seqs: &[u64],
    ) -> Result<Vec<u64>, CallError> {
        let sale_id = sale.into();
        let mut redriven = Vec::with_capacity(seqs.len());
        for batch in seqs.chunks(MAX_DEAD_LETTERS) {
            let message = RedriveDeadLettersRequest { sale_id: sale_id.clone(), seqs: batch.to_vec() };
            let reply = self
                .client
                .call(message, |clients, request| {
                    Box::pin(async move { clients.admin().redrive_dead_letters(request).await })
                })
                .await?;
            redriven.extend(reply.seqs);
        }
        Ok(redriven)
    }

    /// Returns the units of dead tickets to the sale, and returns the seqs of those. A seq is missing if its
    /// ticket was not dead, or if an attempt whose answer was lost had discarded it.
    pub async fn discard_dead_letters(
        &self,
        sale: impl Into<String>,
        seqs: &[u64],
    ) -> Result<Vec<u64>, CallError> {
        let sale_id = sale.into();
        let mut discarded = Vec::with_capacity(seqs.len());
        for batch in seqs.chunks(MAX_DEAD_LETTERS) {
            let message = DiscardDeadLettersRequest { sale_id: sale_id.clone(), seqs: batch.to_vec() };
            let reply = self
                .client
                .call(message, |clients, request| {
                    Box::pin(async move { clients.admin().discard_dead_letters(request).await })
                })
                .await?;
            discarded.extend(reply.seqs);
        }
        Ok(discarded)
    }

    /// Compares orders of the order system with the tickets of a sale, one comparison for each order. With `repair` the
    /// tickets whose order the queue has forgotten are settled.
    pub async fn reconcile_orders(
        &self,
        sale: impl Into<String>,
        orders: &[KnownOrder],
        repair: bool,
    ) -> Result<Vec<OrderComparison>, CallError> {
        let sale_id = sale.into();
        let mut comparisons = Vec::with_capacity(orders.len());
        for batch in orders.chunks(MAX_ORDERS) {
            let message = ReconcileOrdersRequest { sale_id: sale_id.clone(), orders: batch.to_vec(), repair };
            let reply = self
                .client
                .call(message, |clients, request| {
                    Box::pin(async move { clients.admin().reconcile_orders(request).await })
                })
                .await?;
            if reply.comparisons.len() != batch.len() {
                return Err(CallError::malformed("another number of comparisons than of orders"));
            }
            comparisons.extend(reply.comparisons);
        }
        Ok(comparisons)
    }
}

/// The sale of a reply, which must have one.
fn required(sale: Option<Sale>) -> Result<Sale, CallError> {
    sale.ok_or_else(|| CallError::malformed("no sale"))
}
