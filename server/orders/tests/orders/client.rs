//! A running order system, and a client with one stream to it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use inrush_orders::{OrderSettings, OrderStore, OrderSystem, Statistics};
use inrush_proto::v1::{
    CreateOrdersRequest, CreateOrdersResponse, OrderRequest, OrderResult,
    order_creation_service_client::OrderCreationServiceClient, order_result::Outcome,
};
use prost_types::Timestamp;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// Nothing in these tests takes this long unless it is broken.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// An order system on a free port.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: OrderStore,
    pub(crate) statistics: Statistics,
    shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    pub(crate) async fn start(settings: OrderSettings) -> Self {
        Self::start_with(settings, |system| system).await
    }

    pub(crate) async fn start_with(
        settings: OrderSettings,
        change: impl FnOnce(OrderSystem) -> OrderSystem,
    ) -> Self {
        let system = change(OrderSystem::open(settings).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (store, statistics) = (system.order_store(), system.statistics());
        let serving = tokio::spawn(system.serve(listener, shutdown.clone()));
        Self { address, store, statistics, shutdown, serving }
    }

    /// Starts its shutdown, without waiting.
    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Starts its shutdown and waits for the end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(TIMEOUT, self.serving).await.expect("it ends").unwrap().unwrap();
    }
}

/// One stream.
pub(crate) struct Client {
    requests: mpsc::Sender<CreateOrdersRequest>,
    responses: Streaming<CreateOrdersResponse>,
    pub(crate) credit: u32,
}

impl Client {
    /// Opens a stream and waits for the credit.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    pub(crate) async fn try_connect(address: SocketAddr) -> Result<Self, Status> {
        let mut client = OrderCreationServiceClient::connect(format!("http://{address}"))
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let (requests, outgoing) = mpsc::channel(16);
        let mut responses = client.create_orders(ReceiverStream::new(outgoing)).await?.into_inner();
        let first_response = responses.message().await?.expect("the credit comes first");
        assert!(first_response.results.is_empty());
        Ok(Self { requests, responses, credit: first_response.credit })
    }

    pub(crate) async fn send(&self, orders: Vec<OrderRequest>) {
        self.requests.send(CreateOrdersRequest { orders }).await.unwrap();
    }

    /// Waits for at least this many answers. A ticket must not be answered twice.
    pub(crate) async fn answers(&mut self, count: usize) -> BTreeMap<String, Outcome> {
        let mut answers = BTreeMap::new();
        for result in self.results(count).await {
            let repeated = answers.insert(result.ticket_id, result.outcome.unwrap());
            assert_eq!(repeated, None, "a ticket was answered twice");
        }
        answers
    }

    /// Waits for at least this many results.
    pub(crate) async fn results(&mut self, count: usize) -> Vec<OrderResult> {
        let mut results = Vec::new();
        while results.len() < count {
            let message = tokio::time::timeout(TIMEOUT, self.responses.message()).await;
            let message = message.unwrap_or_else(|_| panic!("{} of {count} answers came", results.len()));
            let response = message
                .unwrap()
                .unwrap_or_else(|| panic!("the stream ended after {} of {count} answers", results.len()));
            results.extend(response.results);
        }
        results
    }

    /// Sends entries and waits for all answers.
    pub(crate) async fn exchange(&mut self, orders: Vec<OrderRequest>) -> BTreeMap<String, Outcome> {
        let count = orders.len();
        self.send(orders).await;
        self.answers(count).await
    }

    /// Closes this side and waits for the server to close its own.
    pub(crate) async fn finish(self) {
        let Self { requests, mut responses, .. } = self;
        drop(requests);
        let last = tokio::time::timeout(TIMEOUT, responses.message()).await.expect("the stream ends");
        assert_eq!(last.unwrap(), None, "unexpected further answers");
    }

    /// Waits for the server to close the stream without an error.
    pub(crate) async fn closed(&mut self) {
        let last = tokio::time::timeout(TIMEOUT, self.responses.message()).await.expect("the stream ends");
        assert_eq!(last.unwrap(), None, "unexpected further answers");
    }
}

/// Entries of a sale, one unit each.
pub(crate) fn entries(sale_id: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<OrderRequest> {
    let entry = |seq| OrderRequest {
        ticket_id: format!("{sale_id}/1/{seq}"),
        sale_id: sale_id.to_owned(),
        seq,
        buyer_id: format!("buyer-{seq}"),
        units: 1,
        attempt: 1,
        ..OrderRequest::default()
    };
    seqs.into_iter().map(entry).collect()
}

/// Entries of a sale that was created at this time.
pub(crate) fn entries_of(
    sale_id: &str,
    created_at_seconds: i64,
    seqs: impl IntoIterator<Item = u64>,
) -> Vec<OrderRequest> {
    let mut entries = entries(sale_id, seqs);
    for entry in &mut entries {
        entry.ticket_id = format!("{sale_id}/{created_at_seconds}000/{}", entry.seq);
        entry.sale_create_time = Some(Timestamp { seconds: created_at_seconds, nanos: 0 });
    }
    entries
}

/// The numbers of answers: created, rejected, retry.
pub(crate) fn tally(answers: &BTreeMap<String, Outcome>) -> (usize, usize, usize) {
    let mut tally = (0, 0, 0);
    for outcome in answers.values() {
        match outcome {
            Outcome::Created(_) => tally.0 += 1,
            Outcome::Rejected(_) => tally.1 += 1,
            Outcome::Retry(_) => tally.2 += 1,
        }
    }
    tally
}

/// Waits for a condition that must become true.
pub(crate) async fn eventually(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("timed out waiting for: {what}"));
}
