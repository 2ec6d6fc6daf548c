//! A scripted Inrush: a test double of the public services, in memory or over TCP.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::{collections::HashMap, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt as _, future, stream};
use hyper_util::rt::TokioIo;
use inrush_client::{
    Client, ClientSettings,
    proto::{
        self, BatchPollStatusRequest, BatchPollStatusResponse, CancelRequest, CancelResponse, EnqueueRequest,
        EnqueueResponse, PollStatusRequest, PollStatusResponse, WatchStatusRequest, WatchStatusResponse,
        enqueue_response::Outcome,
        queue_service_server::{QueueService, QueueServiceServer},
    },
};
use parking_lot::{Mutex, MutexGuard};
use tokio::{io::DuplexStream, net::TcpListener, runtime::Runtime, sync::mpsc, time::Instant};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Code, Request, Response, Status,
    metadata::MetadataMap,
    transport::{Endpoint, Server, ServerTlsConfig, server::Router},
};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The buffer of an in-memory connection.
const PIPE_BYTES: usize = 256 * 1024;

/// The reaction of the server to a request.
pub enum Answer<R> {
    Say(R),
    Fail(Status),
    /// Never answers.
    Silence,
}

/// The steps of a watch, in order.
pub enum Step {
    Say(proto::TicketStatus),
    /// Ends the stream with this status.
    Break(Status),
    /// Keeps the stream open without a message for this long.
    Rest(Duration),
    /// Keeps the stream open without a further message.
    Stay,
    /// As the first step: does not open the stream.
    Silence,
}

/// A received request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub rpc: &'static str,
    pub at: Instant,
    pub metadata: MetadataMap,
}

impl Seen {
    /// The deadline sent by the client.
    pub fn timeout(&self) -> Option<Duration> {
        let text = self.header("grpc-timeout")?;
        let (digits, unit) = text.split_at(text.len() - 1);
        let count = digits.parse().unwrap();
        Some(match unit {
            "n" => Duration::from_nanos(count),
            "u" => Duration::from_micros(count),
            "m" => Duration::from_millis(count),
            "S" => Duration::from_secs(count),
            other => panic!("unit {other} in grpc-timeout"),
        })
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.metadata.get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

type Script<M, R> = Box<dyn Fn(usize, M) -> R + Send + Sync>;

/// The scripts, called with the number of the call (from 1) and the request. Calls without a script are
/// UNIMPLEMENTED.
pub struct Fake {
    enqueue: Script<EnqueueRequest, Answer<EnqueueResponse>>,
    poll: Script<PollStatusRequest, Answer<PollStatusResponse>>,
    poll_many: Script<BatchPollStatusRequest, Answer<BatchPollStatusResponse>>,
    cancel: Script<CancelRequest, Answer<CancelResponse>>,
    watch: Script<WatchStatusRequest, Vec<Step>>,
    seen: Mutex<Vec<Seen>>,
}

impl Default for Fake {
    fn default() -> Self {
        fn unscripted<R>() -> Answer<R> {
            Answer::Fail(Status::unimplemented("not scripted"))
        }
        Self {
            enqueue: Box::new(|_, _| unscripted()),
            poll: Box::new(|_, _| unscripted()),
            poll_many: Box::new(|_, _| unscripted()),
            cancel: Box::new(|_, _| unscripted()),
            watch: Box::new(|_, _| vec![Step::Break(Status::unimplemented("not scripted"))]),
            seen: Mutex::default(),
        }
    }
}

impl Fake {
    pub fn enqueue(
        mut self,
        script: impl Fn(usize, EnqueueRequest) -> Answer<EnqueueResponse> + Send + Sync + 'static,
    ) -> Self {
        self.enqueue = Box::new(script);
        self
    }

    /// Scripts PollStatus by the statuses to return.
    pub fn poll(
        mut self,
        script: impl Fn(usize, PollStatusRequest) -> Answer<proto::TicketStatus> + Send + Sync + 'static,
    ) -> Self {
        self.poll = Box::new(move |call, request| match script(call, request) {
            Answer::Say(status) => Answer::Say(PollStatusResponse { status: Some(status) }),
            Answer::Fail(status) => Answer::Fail(status),
            Answer::Silence => Answer::Silence,
        });
        self
    }

    pub fn poll_many(
        mut self,
        script: impl Fn(usize, BatchPollStatusRequest) -> Answer<BatchPollStatusResponse> + Send + Sync + 'static,
    ) -> Self {
        self.poll_many = Box::new(script);
        self
    }

    pub fn cancel(
        mut self,
        script: impl Fn(usize, CancelRequest) -> Answer<CancelResponse> + Send + Sync + 'static,
    ) -> Self {
        self.cancel = Box::new(script);
        self
    }

    pub fn watch(
        mut self,
        script: impl Fn(usize, WatchStatusRequest) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        self.watch = Box::new(script);
        self
    }

    /// All received requests.
    pub fn seen(&self) -> Vec<Seen> {
        self.log().clone()
    }

    /// The number of received requests.
    pub fn calls(&self) -> usize {
        self.log().len()
    }

    /// The time between each request and the one before.
    pub fn gaps(&self) -> Vec<Duration> {
        self.seen().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    /// A client of this server in memory, so that tests can stop the clock.
    pub async fn client(self: &Arc<Self>, settings: ClientSettings) -> Client {
        in_process(Server::builder().add_service(QueueServiceServer::from_arc(Arc::clone(self))), settings)
            .await
    }

    fn log(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock()
    }

    /// Records a request and returns its number among those of its kind.
    fn note<M>(&self, rpc: &'static str, request: &Request<M>) -> usize {
        let mut log = self.log();
        log.push(Seen { rpc, at: Instant::now(), metadata: request.metadata().clone() });
        log.iter().filter(|seen| seen.rpc == rpc).count()
    }

    async fn answer<M, R>(
        &self,
        rpc: &'static str,
        script: &Script<M, Answer<R>>,
        request: Request<M>,
    ) -> Result<Response<R>, Status> {
        let call = self.note(rpc, &request);
        match script(call, request.into_inner()) {
            Answer::Say(reply) => Ok(Response::new(reply)),
            Answer::Fail(status) => Err(status),
            Answer::Silence => future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl QueueService for Fake {
    type WatchStatusStream = Pin<Box<dyn Stream<Item = Result<WatchStatusResponse, Status>> + Send>>;

    async fn enqueue(&self, request: Request<EnqueueRequest>) -> Result<Response<EnqueueResponse>, Status> {
        self.answer("Enqueue", &self.enqueue, request).await
    }

    async fn poll_status(
        &self,
        request: Request<PollStatusRequest>,
    ) -> Result<Response<PollStatusResponse>, Status> {
        self.answer("PollStatus", &self.poll, request).await
    }

    async fn batch_poll_status(
        &self,
        request: Request<BatchPollStatusRequest>,
    ) -> Result<Response<BatchPollStatusResponse>, Status> {
        self.answer("BatchPollStatus", &self.poll_many, request).await
    }

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let call = self.note("WatchStatus", &request);
        let steps = (self.watch)(call, request.into_inner());
        if matches!(steps.first(), Some(Step::Silence)) {
            return future::pending().await;
        }
        let messages = stream::iter(steps).filter_map(|step| async move {
            match step {
                Step::Say(status) => Some(Ok(WatchStatusResponse { status: Some(status) })),
                Step::Break(status) => Some(Err(status)),
                Step::Rest(time) => {
                    tokio::time::sleep(time).await;
                    None
                }
                Step::Stay | Step::Silence => future::pending().await,
            }
        });
        Ok(Response::new(Box::pin(messages)))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        self.answer("Cancel", &self.cancel, request).await
    }
}

/// Serves a router in memory and returns a client of it.
pub async fn in_process(router: Router, settings: ClientSettings) -> Client {
    let (connections, incoming) = mpsc::channel::<Result<DuplexStream, std::io::Error>>(8);
    tokio::spawn(router.serve_with_incoming(ReceiverStream::new(incoming)));
    let connector = tower::service_fn(move |_| {
        let connections = connections.clone();
        async move {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            connections.send(Ok(far)).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(near))
        }
    });
    let channel = Endpoint::from_static("http://memory").connect_with_connector(connector).await.unwrap();
    Client::over(channel, "memory", settings).unwrap()
}

/// A server over TCP with a runtime of its own, so that stopping it cuts every connection as a crash does.
pub struct TcpServer {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl TcpServer {
    /// Serves on a free port.
    pub fn start(fake: &Arc<Fake>) -> Self {
        Self::start_at(fake, SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    /// Serves on a free port with TLS.
    pub fn start_secure(fake: &Arc<Fake>, tls: ServerTlsConfig) -> Self {
        Self::start_at(fake, SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls))
    }

    /// Serves on the port of an earlier server.
    pub fn start_at(fake: &Arc<Fake>, address: SocketAddr, tls: Option<ServerTlsConfig>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let router = server.add_service(QueueServiceServer::from_arc(Arc::clone(fake)));
        runtime.spawn(async move {
            let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
            router.serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, runtime: Some(runtime) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection and frees the port.
    pub fn kill(mut self) {
        // Waits for the tasks to end, on a thread where blocking is allowed.
        if let Some(runtime) = self.runtime.take() {
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10))).join().unwrap();
        }
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An overload with a retry delay.
pub fn overloaded(code: Code, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(retry_after));
    details.set_error_info("OVERLOADED", "inrush", HashMap::<String, String>::new());
    Status::with_error_details(code, "too many calls", details)
}

/// A failure with a stable reason.
pub fn failure(code: Code, reason: &str, message: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "inrush", HashMap::<String, String>::new());
    Status::with_error_details(code, message, details)
}

/// A waiting ticket at a position, with a poll interval in seconds.
pub fn waiting(position: u64, poll_after: u64) -> proto::TicketStatus {
    proto::TicketStatus {
        ticket_id: "shoes/1/100".into(),
        state: proto::TicketState::Waiting.into(),
        position,
        poll_after: Some(seconds(poll_after)),
        ..Default::default()
    }
}

/// The same ticket in another state.
pub fn in_state(state: proto::TicketState) -> proto::TicketStatus {
    proto::TicketStatus { ticket_id: "shoes/1/100".into(), state: state.into(), ..Default::default() }
}

/// The same ticket with its order.
pub fn ordered() -> proto::TicketStatus {
    proto::TicketStatus { order_id: "order-7".into(), ..in_state(proto::TicketState::Ordered) }
}

/// An enqueue with a ticket.
pub fn queued(position: u64) -> EnqueueResponse {
    let queued = proto::Queued {
        ticket: "signed-ticket".into(),
        status: Some(waiting(position, 1)),
        repeated: false,
        durability: proto::Durability::Fsync.into(),
    };
    EnqueueResponse { outcome: Some(Outcome::Queued(queued)) }
}

/// A refused enqueue.
pub fn refused(reason: proto::RefusalReason) -> EnqueueResponse {
    let refused =
        proto::Refused { reason: reason.into(), retry_after: Some(seconds(9)), ..Default::default() };
    EnqueueResponse { outcome: Some(Outcome::Refused(refused)) }
}

/// A protobuf duration.
pub fn seconds(seconds: u64) -> prost_types::Duration {
    Duration::from_secs(seconds).try_into().unwrap()
}
