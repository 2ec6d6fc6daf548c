//! The operators' calls: creating, watching and steering sales.

use futures_util::stream::BoxStream;
use inrush_proto::v1::{
    CloseSaleRequest, CreateSaleRequest, DeadLetter, DeleteSaleRequest, DiscardDeadLettersRequest,
    GetSaleRequest, HoldSaleRequest, ListDeadLettersRequest, ListSalesRequest, RedriveDeadLettersRequest,
    ResumeSaleRequest, Sale, SalePart, UpdateSaleRequest,
};
use prost_types::FieldMask;

use crate::{
    client::Client,
    error::CallError,
    pages::{Page, all_pages},
};

/// How many items a page of a list has: the protocol's bound, for the fewest calls.
const PAGE_SIZE: u32 = 500;

/// Most dead letters of one request; the protocol's bound.
const MAX_DEAD_LETTERS: usize = 256;

/// Steers sales; from [`Client::admin`]. Calls are repeated like all others: an operator's wish that was
/// fulfilled at an attempt whose answer was lost is fulfilled once.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Client {
    /// The operators' calls.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}

impl Admin {
    /// Creates a sale; its output-only fields are ignored. Repeating a creation is harmless, and
    /// [`CallError::AlreadyExists`] means that there is a sale of this id with other settings.
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

    /// All sales in the order of their ids, page by page as they are read.
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

    /// Changes the named fields (in the protocol's spelling, such as `stock`) while the sale runs; a named field
    /// that is absent in `sale` is reset to its default. With `version` set, only that version is changed: then
    /// a repeat after a lost answer can fail although the change was made, so look before changing again.
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

    /// Holds admission or fulfilment back.
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

    /// Lets admission or fulfilment go on.
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

    /// Closes a sale for good: what waits expires, what was claimed is finished.
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

    /// Deletes a closed sale with all its tickets. When a lost answer made this client ask twice, the second can
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

    /// All tickets of a sale that ran out of attempts, in line order, page by page as they are read.
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

    /// Puts dead tickets back in line at their old place, and returns the numbers of those that were. A number is
    /// missing when its ticket was not dead, or when an attempt whose answer was lost had put it back already.
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

    /// Gives the units of dead tickets back, and returns the numbers of those it did. A number is missing when its
    /// ticket was not dead, or when an attempt whose answer was lost had discarded it already.
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
}

/// The sale that a reply must have.
fn required(sale: Option<Sale>) -> Result<Sale, CallError> {
    sale.ok_or_else(|| CallError::malformed("it has no sale"))
}
