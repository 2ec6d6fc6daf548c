//! An agent: makes its share of the calls of a run for a coordinator.

use std::{
    fmt::Display,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use inrush_transport::Error;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_stream::{
    StreamExt as _,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{
    Request, Response, Status, Streaming, service::interceptor::InterceptedService, transport::Server,
};

use super::{
    progress::ReportedUntil,
    token::{RequireToken, Token},
    v1::{
        Prepare, Ready, RunRequest, RunResponse,
        agent_service_server::{AgentService, AgentServiceServer},
        run_request, run_response,
    },
    wire::{MAX_MESSAGE_SIZE, VERSION, decode, failed, response, results},
};
use crate::{
    call::CallPlan,
    engine::{Observer, Progress, Share},
};

/// Capacity of the channel of responses to the coordinator.
const RESPONSE_CAPACITY: usize = 64;

/// Interval of pings to a coordinator.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Start delay of a run whose coordinator disconnected before it began: the run is interrupted first.
const NEVER: Duration = Duration::from_secs(3600);

/// The settings of an agent.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The token that coordinators must send. Required unless the address is a loopback address.
    pub token: Option<Token>,
}

/// Serves coordinators, one run at a time, until the future is dropped. Calls `listening` with the address.
///
/// # Errors
/// If it cannot listen, or would listen on a non-loopback address without a token.
pub async fn serve(settings: AgentSettings, listening: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let AgentSettings { listen, token } = settings;
    if token.is_none() && !listen.ip().is_loopback() {
        return Err(Error::new(
            format!("--listen {listen} lets other machines use this one as a load generator"),
            "set a token with --token-file, or listen on 127.0.0.1",
        ));
    }
    let unable = |error: &dyn Display| {
        Error::new(format!("cannot listen on {listen}: {error}"), "choose another address with --listen")
    };
    let listener = TcpListener::bind(listen).await.map_err(|error| unable(&error))?;
    listening(listener.local_addr().map_err(|error| unable(&error))?);
    let service = AgentServiceServer::new(Agent { idle: Arc::new(Semaphore::new(1)) })
        .max_decoding_message_size(MAX_MESSAGE_SIZE);
    let served = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .add_service(InterceptedService::new(service, RequireToken(token)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    served.await.map_err(|error| unable(&error))
}

struct Agent {
    /// One permit: an agent makes one run at a time.
    idle: Arc<Semaphore>,
}

#[tonic::async_trait]
impl AgentService for Agent {
    type RunStream = ReceiverStream<Result<RunResponse, Status>>;

    async fn run(
        &self,
        request: Request<Streaming<RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let busy = |_| Status::resource_exhausted("this agent is busy with another run");
        let permit = Arc::clone(&self.idle).try_acquire_owned().map_err(busy)?;
        let mut requests = request.into_inner();
        let prepare = match requests.message().await?.and_then(|request| request.step) {
            Some(run_request::Step::Prepare(prepare)) => prepare,
            _ => return Err(Status::invalid_argument("the first message of a run must be Prepare")),
        };
        let (plan, share) = parse_prepare(&prepare)?;
        let (responses, outgoing) = mpsc::channel(RESPONSE_CAPACITY);
        let (begin, begun) = sync_channel(1);
        let interrupted = Arc::new(AtomicBool::new(false));
        let run =
            Run { plan, share, interrupted: Arc::clone(&interrupted), begun, responses, _permit: permit };
        let spawned = thread::Builder::new().name("run".to_owned()).spawn(move || run.run());
        spawned.map_err(|error| Status::internal(format!("cannot start the run: {error}")))?;
        tokio::spawn(handle_requests(requests, begin, interrupted));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

fn parse_prepare(prepare: &Prepare) -> Result<(CallPlan, Share), Status> {
    let Prepare { version, plan, index, total } = prepare;
    if version != VERSION {
        let text = format!(
            "the agent has version {VERSION}, the coordinator {version:?}: use the same version on all machines"
        );
        return Err(Status::failed_precondition(text));
    }
    if index >= total {
        return Err(Status::invalid_argument(format!("share {index} of {total} does not exist")));
    }
    Ok((decode(plan)?, Share { index: *index, total: *total }))
}

/// Handles the requests of the coordinator. The end of the stream interrupts the run.
async fn handle_requests(
    mut requests: Streaming<RunRequest>,
    begin: SyncSender<Duration>,
    interrupted: Arc<AtomicBool>,
) {
    while let Some(Ok(request)) = requests.next().await {
        match request.step {
            Some(run_request::Step::Begin(message)) => {
                let after = message.after.and_then(|after| Duration::try_from(after).ok());
                // Fails only for a repeated message, or if the run has ended.
                let _sent = begin.try_send(after.unwrap_or_default());
            }
            Some(run_request::Step::Stop(_)) => break,
            Some(run_request::Step::Prepare(_)) | None => {}
        }
    }
    interrupted.store(true, Ordering::Relaxed);
}

/// A run, on a thread of its own.
struct Run {
    plan: CallPlan,
    share: Share,
    interrupted: Arc<AtomicBool>,
    /// Receives the time from Begin to the start.
    begun: Receiver<Duration>,
    responses: mpsc::Sender<Result<RunResponse, Status>>,
    _permit: OwnedSemaphorePermit,
}

impl Run {
    fn run(self) {
        let mut reporter = Reporter {
            begun: &self.begun,
            responses: &self.responses,
            reported_until: ReportedUntil::default(),
        };
        let outcome = self.plan.run(self.share, &mut reporter, &self.interrupted);
        let messages = match outcome.and_then(|outcome| results(&outcome)) {
            Ok(messages) => messages,
            Err(error) => vec![failed(&error)],
        };
        for message in messages {
            if self.responses.blocking_send(Ok(message)).is_err() {
                return;
            }
        }
    }
}

/// Reports the progress of a run to the coordinator.
struct Reporter<'a> {
    begun: &'a Receiver<Duration>,
    responses: &'a mpsc::Sender<Result<RunResponse, Status>>,
    reported_until: ReportedUntil,
}

impl Observer for Reporter<'_> {
    fn start_time(&mut self) -> Instant {
        // Fails only if the coordinator has disconnected; then receiving fails as well.
        let _sent = self.responses.blocking_send(Ok(response(run_response::Step::Ready(Ready {}))));
        Instant::now() + self.begun.recv().unwrap_or(NEVER)
    }

    fn on_progress(&mut self, progress: &Progress<'_>) {
        if let Some(message) = self.reported_until.unreported(progress) {
            // While the channel is full, intervals are kept for the next message.
            if let Ok(()) = self.responses.try_send(Ok(response(run_response::Step::Progress(message)))) {
                self.reported_until.advance(progress);
            }
        }
    }
}
