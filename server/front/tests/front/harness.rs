//! A front on a free port, clients for it, and short names for what tests use often.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use inrush_core::store::prelude::*;
use inrush_core::{
    Keyring, SaleId, SaleSettings, Seq, Store, TicketId,
    keyring::BuyerTag,
    store::{Claim, ClaimRequest, ConfigureResult, LeaseToken, Outcome, Precondition, Settlement},
};
use inrush_front::{FrontError, FrontParts, FrontSettings, run_here};
use inrush_proto::v1::{
    self, enqueue_response, queue_service_client::QueueServiceClient,
    sale_admin_service_client::SaleAdminServiceClient, settlement_service_client::SettlementServiceClient,
};
use inrush_runtime::{listen, readiness::Readiness, shutdown::Shutdown};
use inrush_telemetry::{Metrics, Traces};
use tokio::task::JoinHandle;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::probe::Probe;

/// The longest wait of a test; reached only if it fails.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct Front {
    pub(crate) store: Arc<Probe>,
    pub(crate) keyring: Keyring,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    pub(crate) shutdown: Shutdown,
    pub(crate) served: JoinHandle<Result<(), FrontError>>,
}

impl Front {
    pub(crate) async fn start() -> Self {
        Self::with(Probe::new(), settings()).await
    }

    pub(crate) async fn with(store: Arc<Probe>, settings: FrontSettings) -> Self {
        Self::begin(store, settings, None).await
    }

    pub(crate) async fn traced(store: Arc<Probe>, settings: FrontSettings, traces: Traces) -> Self {
        Self::begin(store, settings, Some(traces)).await
    }

    async fn begin(store: Arc<Probe>, settings: FrontSettings, traces: Option<Traces>) -> Self {
        let (keyring, metrics, readiness) =
            (Keyring::ephemeral().unwrap(), Metrics::default(), Readiness::new());
        let (shutdown, listener) = (Shutdown::new(), listen::bind("127.0.0.1:0", "the test").unwrap());
        let address = listener.local_addr().unwrap();
        let parts = FrontParts {
            settings,
            store: Arc::clone(&store) as Arc<dyn Store>,
            keyring: keyring.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            traces,
        };
        let until = shutdown.clone();
        let served = tokio::spawn(async move { run_here(parts, listener, &until).await });
        let channel = connect(address).await;
        Self { store, keyring, metrics, readiness, address, channel, shutdown, served }
    }

    pub(crate) fn queue(&self) -> QueueServiceClient<Channel> {
        QueueServiceClient::new(self.channel.clone())
    }

    pub(crate) fn admin(&self) -> SaleAdminServiceClient<Channel> {
        SaleAdminServiceClient::new(self.channel.clone())
    }

    pub(crate) fn settlement(&self) -> SettlementServiceClient<Channel> {
        SettlementServiceClient::new(self.channel.clone())
    }

    /// Creates a sale directly in the store.
    pub(crate) async fn create(&self, sale: &str, settings: SaleSettings) {
        let configured = self.store.configure(&id(sale), &settings, Precondition::Absent).await.unwrap();
        assert!(matches!(configured, ConfigureResult::Done(_)), "{configured:?}");
    }

    /// Changes a sale directly in the store.
    pub(crate) async fn change(&self, sale: &str, change: impl FnOnce(&mut SaleSettings)) {
        let snapshot = self.store.sale(&id(sale)).await.unwrap();
        let mut settings = snapshot.settings;
        change(&mut settings);
        let configured = self
            .store
            .configure(&id(sale), &settings, Precondition::Version(snapshot.version))
            .await
            .unwrap();
        assert!(matches!(configured, ConfigureResult::Done(_)), "{configured:?}");
    }

    pub(crate) async fn enqueue(&self, sale: &str, buyer: &str) -> enqueue_response::Outcome {
        self.enqueue_units(sale, buyer, 1).await
    }

    pub(crate) async fn enqueue_units(
        &self,
        sale: &str,
        buyer: &str,
        units: u64,
    ) -> enqueue_response::Outcome {
        self.queue().enqueue(enqueue_request(sale, buyer, units)).await.unwrap().into_inner().outcome.unwrap()
    }

    /// Enqueues a buyer who must get a ticket.
    pub(crate) async fn queued(&self, sale: &str, buyer: &str) -> v1::Queued {
        match self.enqueue(sale, buyer).await {
            enqueue_response::Outcome::Queued(queued) => queued,
            other => panic!("{buyer} is not queued: {other:?}"),
        }
    }

    /// Enqueues a buyer who must be refused.
    pub(crate) async fn refused(&self, sale: &str, buyer: &str) -> v1::RefusalReason {
        match self.enqueue(sale, buyer).await {
            enqueue_response::Outcome::Refused(refused) => refused.reason(),
            other => panic!("{buyer} is not refused: {other:?}"),
        }
    }

    pub(crate) async fn poll(&self, ticket: &str) -> Result<v1::TicketStatus, Status> {
        let request = v1::PollStatusRequest { ticket: ticket.to_owned() };
        Ok(self.queue().poll_status(request).await?.into_inner().status.unwrap())
    }

    pub(crate) async fn cancel(&self, ticket: &str) -> Result<v1::CancelResponse, Status> {
        Ok(self.queue().cancel(v1::CancelRequest { ticket: ticket.to_owned() }).await?.into_inner())
    }

    pub(crate) async fn claim(&self, sale: &str, max: usize) -> Claim {
        self.store.claim(&id(sale), ClaimRequest { max }).await.unwrap()
    }

    /// Settles everything that was claimed in the same way.
    pub(crate) async fn settle(&self, sale: &str, claim: &Claim, outcome: Outcome) {
        let settlement = |seq: Seq| Settlement {
            lease_token: LeaseToken { seq, fence: claim.fence },
            outcome: outcome.clone(),
        };
        let settlements: Vec<_> = claim.entries.iter().map(|entry| settlement(entry.seq)).collect();
        self.store.settle(&id(sale), &settlements).await.unwrap();
    }

    /// The sum of all series of a counter or a gauge, as Prometheus reads them.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let text = self.metrics.text().unwrap();
        let series = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// The content of a ticket, read without the front.
    pub(crate) fn read(&self, ticket: &str) -> TicketId {
        self.keyring.verify(ticket).unwrap().id
    }

    /// Signs a ticket that the front has not given.
    pub(crate) fn sign(&self, ticket: &TicketId) -> String {
        sign(&self.keyring, ticket)
    }
}

pub(crate) fn sign(keyring: &Keyring, ticket: &TicketId) -> String {
    keyring.sign(ticket, BuyerTag::of(&"ada".parse().unwrap()))
}

pub(crate) async fn connect(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_timeout(TEST_TIMEOUT)
        .connect()
        .await
        .unwrap()
}

/// No grace period, so that drains are quick; and a long queue wait, so that no call is shed on a slow machine.
pub(crate) fn settings() -> FrontSettings {
    let mut settings = FrontSettings { max_queue_wait: Duration::from_secs(300), ..FrontSettings::default() };
    settings.drain.grace = Duration::ZERO;
    settings.watch.min_interval = Duration::from_millis(10);
    settings.watch.max_interval = Duration::from_millis(20);
    settings
}

pub(crate) fn id(sale: &str) -> SaleId {
    sale.parse().unwrap()
}

pub(crate) fn enqueue_request(sale: &str, buyer: &str, units: u64) -> v1::EnqueueRequest {
    v1::EnqueueRequest {
        previous_ticket: String::new(),
        sale_id: sale.to_owned(),
        buyer_id: buyer.to_owned(),
        units,
        payload: bytes::Bytes::new(),
    }
}

/// The headers of an Enqueue, for tests that speak HTTP/2 themselves.
pub(crate) fn enqueue_head(address: SocketAddr) -> http::Request<()> {
    http::Request::post(format!("http://{address}/inrush.v1.QueueService/Enqueue"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

/// A message as gRPC sends it: not compressed, after its length.
pub(crate) fn message(message: &impl prost::Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &bytes].concat()
}

/// The stable reason of an error.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "inrush");
    info.reason
}

/// The fields that an error names, with their rules.
pub(crate) fn violations(status: &Status) -> Vec<(String, String)> {
    let bad_request =
        status.get_details_bad_request().unwrap_or_else(|| panic!("no BadRequest in {status:?}"));
    bad_request
        .field_violations
        .into_iter()
        .map(|violation| (violation.field, violation.description))
        .collect()
}

/// Waits until `condition` holds; its failure is a failure of the test, not of the clock.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(TEST_TIMEOUT, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "never happened: {what}");
}
