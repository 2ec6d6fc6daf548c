//! An agent: makes its part of the calls when a coordinator says so.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver as Told, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

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
    progress::News,
    token::{Ask, Token},
    v1::{
        Prepare, Ready, RunRequest, RunResponse,
        agent_service_server::{AgentService, AgentServiceServer},
        run_request, run_response,
    },
    wire::{LONGEST_MESSAGE, VERSION, decoded, failed, measured, response},
};
use crate::{
    call::CallPlan,
    engine::{Observer, Progress, Share},
    problem::Problem,
};

/// Steps that may wait to be sent to the coordinator.
const STEPS: usize = 64;

/// How soon an agent notices that its coordinator is gone.
const PING_EVERY: Duration = Duration::from_secs(5);

/// A run that is called off before it begins starts so late that it is interrupted first.
const NEVER: Duration = Duration::from_secs(3600);

/// Where an agent listens, and whom it serves.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What a coordinator must show. Needed where other machines can connect.
    pub token: Option<Token>,
}

/// Serves coordinators, one run at a time, until the future is dropped. `listening` is told the address.
///
/// # Errors
/// When it cannot listen, or would listen to other machines without a token.
pub async fn serve(settings: AgentSettings, listening: impl FnOnce(SocketAddr)) -> Result<(), Problem> {
    let AgentSettings { listen, token } = settings;
    if token.is_none() && !listen.ip().is_loopback() {
        return Err(Problem::new(
            format!("--listen {listen} lets other machines use this one to make load"),
            "give a token with --token-file, or listen on 127.0.0.1",
        ));
    }
    let unable = |error: &dyn std::fmt::Display| {
        Problem::new(format!("cannot listen on {listen}: {error}"), "choose another address with --listen")
    };
    let listener = TcpListener::bind(listen).await.map_err(|error| unable(&error))?;
    listening(listener.local_addr().map_err(|error| unable(&error))?);
    let service = AgentServiceServer::new(Agent { free: Arc::new(Semaphore::new(1)) })
        .max_decoding_message_size(LONGEST_MESSAGE);
    let served = Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .add_service(InterceptedService::new(service, Ask(token)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    served.await.map_err(|error| unable(&error))
}

struct Agent {
    free: Arc<Semaphore>,
}

#[tonic::async_trait]
impl AgentService for Agent {
    type RunStream = ReceiverStream<Result<RunResponse, Status>>;

    async fn run(
        &self,
        request: Request<Streaming<RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let busy = || Status::resource_exhausted("this agent is busy with another run");
        let occupied = Arc::clone(&self.free).try_acquire_owned().map_err(|_| busy())?;
        let mut requests = request.into_inner();
        let prepare = match requests.message().await?.and_then(|request| request.step) {
            Some(run_request::Step::Prepare(prepare)) => prepare,
            _ => return Err(Status::invalid_argument("a run begins with Prepare")),
        };
        let (plan, share) = prepared(&prepare)?;
        let (steps, responses) = mpsc::channel(STEPS);
        let (begin, told) = sync_channel(1);
        let interrupted = Arc::new(AtomicBool::new(false));
        let run =
            Run { plan, share, interrupted: Arc::clone(&interrupted), told, steps, _occupied: occupied };
        let spawned = thread::Builder::new().name("run".to_owned()).spawn(move || run.make());
        spawned.map_err(|error| Status::internal(format!("the run cannot start: {error}")))?;
        tokio::spawn(listen_to(requests, begin, interrupted));
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

fn prepared(prepare: &Prepare) -> Result<(CallPlan, Share), Status> {
    if prepare.version != VERSION {
        let text = format!(
            "this agent is of version {VERSION}, the coordinator of {:?}: use the same on all machines",
            prepare.version
        );
        return Err(Status::failed_precondition(text));
    }
    if prepare.index >= prepare.of {
        return Err(Status::invalid_argument(format!(
            "there is no part {} of {}",
            prepare.index, prepare.of
        )));
    }
    Ok((decoded(&prepare.plan)?, Share { index: prepare.index, of: prepare.of }))
}

/// Passes on what the coordinator says. Its silence for ever is a wish to stop.
async fn listen_to(
    mut requests: Streaming<RunRequest>,
    begin: SyncSender<Duration>,
    interrupted: Arc<AtomicBool>,
) {
    while let Some(Ok(request)) = requests.next().await {
        match request.step {
            Some(run_request::Step::Begin(told)) => {
                let after = told.after.and_then(|after| Duration::try_from(after).ok()).unwrap_or_default();
                // Fails only if it was said before, or the run is over.
                let _told = begin.try_send(after);
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
    told: Told<Duration>,
    steps: mpsc::Sender<Result<RunResponse, Status>>,
    _occupied: OwnedSemaphorePermit,
}

impl Run {
    fn make(self) {
        let mut reporter = Reporter { told: &self.told, steps: &self.steps, news: News::default() };
        let results = self.plan.run(self.share, &mut reporter, &self.interrupted);
        let last = match results.and_then(|results| measured(&results)) {
            Ok(parts) => parts,
            Err(problem) => vec![failed(&problem)],
        };
        for step in last {
            if self.steps.blocking_send(Ok(step)).is_err() {
                return;
            }
        }
    }
}

/// Tells the coordinator how the run goes.
struct Reporter<'a> {
    told: &'a Told<Duration>,
    steps: &'a mpsc::Sender<Result<RunResponse, Status>>,
    news: News,
}

impl Observer for Reporter<'_> {
    fn ready(&mut self) -> Instant {
        // Fails only if the coordinator is gone, and then the next line fails as well.
        let _heard = self.steps.blocking_send(Ok(response(run_response::Step::Ready(Ready {}))));
        Instant::now() + self.told.recv().unwrap_or(NEVER)
    }

    fn see(&mut self, progress: &Progress<'_>) {
        if let Some(seen) = self.news.since(progress) {
            // A coordinator that is slow to listen gets it with the next one.
            if let Ok(()) = self.steps.try_send(Ok(response(run_response::Step::Seen(seen)))) {
                self.news.told(progress);
            }
        }
    }
}
