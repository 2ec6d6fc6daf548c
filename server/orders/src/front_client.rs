//! The client of a front: looks up the stock of sales and reports released orders.

use std::{fmt, fs, path::Path, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use inrush_proto::v1::{
    GetSaleRequest, ReleaseOrderRequest, sale_admin_service_client::SaleAdminServiceClient,
    settlement_service_client::SettlementServiceClient,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{creation_time, order_store::SaleStock};

/// A front that takes longer counts as unavailable; until then, entries wait for its answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Detects a connection whose peer has vanished.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// A start with thousands of new sales must not flood the front.
const MAX_CONCURRENT_LOOKUPS: usize = 32;

/// The address of a front: `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct FrontUrl(String);

impl FromStr for FrontUrl {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let valid = url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.contains('@'));
        if !valid || Endpoint::from_shared(url.to_owned()).is_err() {
            bail!("invalid URL of the front; expected http://HOST:PORT");
        }
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Display for FrontUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<FrontUrl> for String {
    fn from(url: FrontUrl) -> Self {
        url.0
    }
}

impl TryFrom<String> for FrontUrl {
    type Error = anyhow::Error;

    fn try_from(url: String) -> anyhow::Result<Self> {
        url.parse()
    }
}

/// A client of the front; clones share a connection.
#[derive(Clone)]
pub(crate) struct FrontClient {
    admin: SaleAdminServiceClient<Channel>,
    settlement: SettlementServiceClient<Channel>,
    token: Option<MetadataValue<Ascii>>,
    lookups: Arc<Semaphore>,
}

/// A sale as the front has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrontSale {
    /// When it was created, as in [`SaleKey`](crate::order_store::SaleKey).
    pub(crate) created_at: u64,
    /// Its stock.
    pub(crate) stock: SaleStock,
}

/// The front's answer to a released order.
pub(crate) enum Release {
    /// The front has recorded it.
    Acknowledged,
    /// The front cannot record it now, because of the state of this ticket.
    NotYet(Status),
    /// The front does not have the ticket or its sale: it was deleted, or the store has lost it, perhaps for a moment.
    NotFound,
    /// The front could not be reached, or refuses calls of this client.
    Unavailable(Status),
}

impl FrontClient {
    /// Connects on first use, and again whenever the connection breaks.
    pub(crate) fn new(url: &FrontUrl, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(url.0.clone())
            .with_context(|| format!("invalid URL of the front: {url}"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self {
            admin: SaleAdminServiceClient::new(channel.clone()),
            settlement: SettlementServiceClient::new(channel),
            token: token_file.map(read_token).transpose()?,
            lookups: Arc::new(Semaphore::new(MAX_CONCURRENT_LOOKUPS)),
        })
    }

    /// Looks a sale up; `None` if its id is invalid, so that it cannot exist. A sale that the front does not have is
    /// an error: its entry exists, so the store may be empty for a moment.
    pub(crate) async fn sale(&self, sale_id: &str) -> Result<Option<FrontSale>, Status> {
        let _turn = self.lookups.acquire().await.map_err(|_| Status::cancelled("shutting down"))?;
        let request = self.request(GetSaleRequest { sale_id: sale_id.to_owned() });
        match self.admin.clone().get_sale(request).await {
            Ok(response) => {
                let sale = response
                    .into_inner()
                    .sale
                    .ok_or_else(|| Status::internal("front answered GetSale without a sale"))?;
                let created_at = creation_time::read(sale.create_time)
                    .ok_or_else(|| Status::internal("front answered GetSale with an invalid create_time"))?;
                let stock = sale.stock.map_or(SaleStock::Unlimited, SaleStock::Units);
                Ok(Some(FrontSale { created_at, stock }))
            }
            Err(status) if status.code() == Code::InvalidArgument => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Reports that the order of a ticket was released.
    pub(crate) async fn release(&self, ticket_id: &str) -> Release {
        let request = self.request(ReleaseOrderRequest { ticket_id: ticket_id.to_owned() });
        match self.settlement.clone().release_order(request).await {
            Ok(_) => Release::Acknowledged,
            Err(status) => match status.code() {
                Code::NotFound => Release::NotFound,
                Code::Ok
                | Code::InvalidArgument
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::Aborted
                | Code::OutOfRange => Release::NotYet(status),
                Code::Cancelled
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::PermissionDenied
                | Code::ResourceExhausted
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
                | Code::Unauthenticated => Release::Unavailable(status),
            },
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }
}

fn read_token(file: &Path) -> anyhow::Result<MetadataValue<Ascii>> {
    let token = fs::read_to_string(file)
        .with_context(|| format!("reading front_token_file {} failed", file.display()))?;
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse().with_context(|| {
        format!("front_token_file {} contains characters that are not allowed in a token", file.display())
    })?;
    value.set_sensitive(true);
    Ok(value)
}
