//! A server that records its answers and can freeze.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use inrush_proto::v1::{
    ReleaseOrderRequest, ReleaseOrderResponse, TicketStatus,
    settlement_service_server::{SettlementService, SettlementServiceServer},
};
use inrush_transport::Endpoint;
use parking_lot::Mutex;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, task::yield_now};
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};

/// The method that [`RecordingServer`] answers.
pub(crate) const PATH: &str = "/inrush.v1.SettlementService/ReleaseOrder";

/// A server on a runtime of its own. Dropping it stops the server.
pub(crate) struct RecordingServer {
    address: SocketAddr,
    service: Recording,
    runtime: Runtime,
}

#[derive(Clone)]
struct Recording {
    answers: Arc<Mutex<Vec<(u64, SystemTime)>>>,
    frozen: watch::Sender<bool>,
    concurrent: Arc<Concurrent>,
    answer_length: usize,
}

#[derive(Default)]
struct Concurrent {
    now: AtomicU64,
    max: AtomicU64,
}

impl RecordingServer {
    pub(crate) fn start() -> Self {
        Self::with_answer_length(0)
    }

    /// Every answer contains a text of this length.
    pub(crate) fn with_answer_length(answer_length: usize) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let service = Recording {
            answers: Arc::default(),
            frozen: watch::Sender::new(false),
            concurrent: Arc::default(),
            answer_length,
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let served = SettlementServiceServer::new(service.clone());
        // Without this, Nagle's algorithm delays answers until earlier ones are acknowledged.
        let incoming = TcpListenerStream::new(listener)
            .map(|stream| stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)));
        runtime.spawn(Server::builder().add_service(served).serve_with_incoming(incoming));
        Self { address, service, runtime }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::plain(self.address.ip().to_string(), self.address.port())
    }

    /// Stops answering.
    pub(crate) fn freeze_forever(&self) {
        self.service.frozen.send_replace(true);
    }

    /// The maximum number of concurrent calls.
    pub(crate) fn max_concurrent(&self) -> u64 {
        self.service.concurrent.max.load(Ordering::SeqCst)
    }

    /// Stops answering `after` a delay, for `length`.
    pub(crate) fn freeze(&self, after: Duration, length: Duration) {
        let frozen = self.service.frozen.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            frozen.send_replace(true);
            tokio::time::sleep(length).await;
            frozen.send_replace(false);
        });
    }

    /// The numbers of all answered calls, and the times of their answers.
    pub(crate) fn answers(&self) -> Vec<(u64, SystemTime)> {
        self.service.answers.lock().clone()
    }
}

#[tonic::async_trait]
impl SettlementService for Recording {
    async fn release_order(
        &self,
        request: Request<ReleaseOrderRequest>,
    ) -> Result<Response<ReleaseOrderResponse>, Status> {
        let number = request
            .into_inner()
            .ticket_id
            .parse()
            .map_err(|_| Status::invalid_argument("expected a number"))?;
        let now = self.concurrent.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.concurrent.max.fetch_max(now, Ordering::SeqCst);
        // Lets concurrent calls arrive before this one is answered.
        yield_now().await;
        let mut frozen = self.frozen.subscribe();
        frozen.wait_for(|frozen| !frozen).await.map_err(|_| Status::internal("the server stops"))?;
        self.concurrent.now.fetch_sub(1, Ordering::SeqCst);
        self.answers.lock().push((number, SystemTime::now()));
        let status = TicketStatus { order_id: "o".repeat(self.answer_length), ..TicketStatus::default() };
        Ok(Response::new(ReleaseOrderResponse { status: Some(status), repeated: false }))
    }
}
