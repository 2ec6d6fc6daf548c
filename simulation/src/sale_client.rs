//! The admin calls of a sale: creates it, reads its ledger, closes it.

use std::{
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use inrush_proto::v1::{
    CloseSaleRequest, CloseSaleResponse, CreateSaleRequest, CreateSaleResponse, DeleteSaleRequest,
    DeleteSaleResponse, GetSaleRequest, GetSaleResponse, Ledger, Sale,
};
use inrush_report::measure::Code;
use inrush_transport::{Answer, Endpoint, Error};
use prost::Message;
use tokio::task::LocalSet;

use crate::rpc::{Calls, Method, decoded};

/// Time limit of a call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of attempts of a call.
const ATTEMPTS: u32 = 5;

/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

/// Operates one sale.
pub(crate) struct SaleClient {
    calls: Rc<Calls>,
    sale: String,
}

impl SaleClient {
    /// Connects to a front. Must be called within a `LocalSet`.
    pub(crate) async fn open(endpoint: &Endpoint, sale: String) -> Result<Self, Error> {
        Ok(Self { calls: Calls::open(endpoint, 1, TIMEOUT).await?, sale })
    }

    /// Runs a function with the client of a sale. Blocks the thread.
    pub(crate) fn with<T, F: Future<Output = Result<T, Error>>>(
        endpoint: &Endpoint,
        sale: &str,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                Error::new(
                    format!("a runtime cannot be set up: {error}"),
                    "close other programs, and try again",
                )
            })?;
        LocalSet::new().block_on(&runtime, async { work(Self::open(endpoint, sale.to_owned()).await?).await })
    }

    /// Creates the sale.
    pub(crate) async fn create(&self, stock: u64, cap: u64, unit_limit: u64) -> Result<Sale, Error> {
        let sale = Sale {
            sale_id: self.sale.clone(),
            stock: Some(stock),
            cap: Some(cap),
            unit_limit,
            ..Sale::default()
        };
        let request = CreateSaleRequest { sale: Some(sale) };
        let response = self.call::<CreateSaleResponse>(Method::CreateSale, &request, "created").await?;
        response.sale.ok_or_else(|| self.nothing())
    }

    /// Reads the sale.
    pub(crate) async fn sale(&self) -> Result<Sale, Error> {
        let request = GetSaleRequest { sale_id: self.sale.clone() };
        let response = self.call::<GetSaleResponse>(Method::GetSale, &request, "read").await?;
        response.sale.ok_or_else(|| self.nothing())
    }

    /// Reads the sale's ledger.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Error> {
        self.sale().await?.ledger.ok_or_else(|| self.nothing())
    }

    /// Closes the sale: what waits expires.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let request = CloseSaleRequest { sale_id: self.sale.clone() };
        self.call::<CloseSaleResponse>(Method::CloseSale, &request, "closed").await.map(drop)
    }

    /// Deletes the sale.
    pub(crate) async fn delete(&self) -> Result<(), Error> {
        let request = DeleteSaleRequest { sale_id: self.sale.clone() };
        self.call::<DeleteSaleResponse>(Method::DeleteSale, &request, "deleted").await.map(drop)
    }

    /// Admin calls are safe to repeat. Temporary errors are retried.
    async fn call<M: Message + Default>(
        &self,
        method: Method,
        request: &impl Message,
        what: &str,
    ) -> Result<M, Error> {
        let mut attempt = 1;
        loop {
            match decoded::<M>(self.calls.call(method, request, 0).await) {
                Ok(message) => return Ok(message),
                Err(answer) if attempt < ATTEMPTS && may_pass(&answer) => attempt += 1,
                Err(answer) => return Err(self.refused(what, &answer)),
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    }

    fn refused(&self, what: &str, answer: &Answer) -> Error {
        let remedy = match answer.code {
            Code::NotFound => "create it first, or leave --sale out: then one is made for the run",
            Code::Unimplemented => "give a front of Inrush as host:port: this server is none",
            _ => "check that Inrush and its store are healthy",
        };
        let Answer { code, error, .. } = answer;
        Error::new(format!("the sale {:?} cannot be {what}: {}: {error}", self.sale, code.name()), remedy)
    }

    fn nothing(&self) -> Error {
        Error::new(
            format!("the sale {:?} came without its content", self.sale),
            "give a front of Inrush as host:port: this server is none",
        )
    }
}

fn may_pass(answer: &Answer) -> bool {
    matches!(answer.code, Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted)
}

/// An id of a sale that no other run has.
pub fn fresh_id(prefix: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}-{}-{:08x}", now.as_secs(), rand::random::<u32>())
}
