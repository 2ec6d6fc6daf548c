//! A server that notes when it answered what, and can freeze.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use inrush_loadtest::transport::Endpoint;
use inrush_proto::v1::{
    ReleaseOrderRequest, ReleaseOrderResponse, TicketStatus,
    settlement_service_server::{SettlementService, SettlementServiceServer},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, task::yield_now};
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};

/// The method that [`NotingServer`] answers.
pub(crate) const PATH: &str = "/inrush.v1.SettlementService/ReleaseOrder";

/// A server on a runtime of its own. Stops when it is dropped.
pub(crate) struct NotingServer {
    address: SocketAddr,
    service: Noting,
    runtime: Runtime,
}

#[derive(Clone)]
struct Noting {
    answers: Arc<Mutex<Vec<(u64, SystemTime)>>>,
    frozen: watch::Sender<bool>,
    at_once: Arc<AtOnce>,
    answer_length: usize,
}

#[derive(Default)]
struct AtOnce {
    now: AtomicU64,
    most: AtomicU64,
}

impl NotingServer {
    pub(crate) fn start() -> Self {
        Self::with_answers_of(0)
    }

    /// Every answer holds a text of so many bytes.
    pub(crate) fn with_answers_of(answer_length: usize) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let service = Noting {
            answers: Arc::default(),
            frozen: watch::Sender::new(false),
            at_once: Arc::default(),
            answer_length,
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let served = SettlementServiceServer::new(service.clone());
        // Without this, answers wait in the server for the acknowledgement of earlier ones.
        let incoming = TcpListenerStream::new(listener)
            .map(|stream| stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)));
        runtime.spawn(Server::builder().add_service(served).serve_with_incoming(incoming));
        Self { address, service, runtime }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::plain(self.address.ip().to_string(), self.address.port())
    }

    /// Answers nothing from now on.
    pub(crate) fn freeze_for_ever(&self) {
        self.service.frozen.send_replace(true);
    }

    /// The most calls that were being answered at once.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.service.at_once.most.load(Ordering::SeqCst)
    }

    /// Answers nothing for a while, `after` so long.
    pub(crate) fn freeze(&self, after: Duration, length: Duration) {
        let frozen = self.service.frozen.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            frozen.send_replace(true);
            tokio::time::sleep(length).await;
            frozen.send_replace(false);
        });
    }

    /// The numbers of all calls that were answered, and when.
    pub(crate) fn answers(&self) -> Vec<(u64, SystemTime)> {
        self.service.answers.lock().expect("nobody panics with it").clone()
    }
}

#[tonic::async_trait]
impl SettlementService for Noting {
    async fn release_order(
        &self,
        request: Request<ReleaseOrderRequest>,
    ) -> Result<Response<ReleaseOrderResponse>, Status> {
        let number =
            request.into_inner().ticket_id.parse().map_err(|_| Status::invalid_argument("no number"))?;
        let now = self.at_once.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once.most.fetch_max(now, Ordering::SeqCst);
        // Others that were sent at once arrive before this one is answered.
        yield_now().await;
        let mut frozen = self.frozen.subscribe();
        frozen.wait_for(|frozen| !frozen).await.map_err(|_| Status::internal("no freezer"))?;
        self.at_once.now.fetch_sub(1, Ordering::SeqCst);
        self.answers.lock().expect("nobody panics with it").push((number, SystemTime::now()));
        let status = TicketStatus { order_id: "o".repeat(self.answer_length), ..TicketStatus::default() };
        Ok(Response::new(ReleaseOrderResponse { status: Some(status), repeated: false }))
    }
}
