//! The coordinator: has the calls of a run made by agents that start together.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use inrush_report::measure::{Interval, Results, Timeline};
use inrush_transport::Error;
use tokio::{
    runtime::Builder,
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

use super::{
    token::{SendToken, Token},
    v1::{
        Begin, Failed, Prepare, RunRequest, RunResponse, Stop, agent_service_client::AgentServiceClient,
        run_request::Step, run_response,
    },
    warnings::warnings,
    wire::{Assembly, MAX_MESSAGE_SIZE, VERSION, decode, encode},
};
use crate::{
    call::CallPlan,
    engine::{INTERVAL, Observer, Progress},
};

/// Time limit for connecting to an agent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for an agent to open its connections, in addition to the plan's own limit for that.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Time from the Begin message to the start: longer than the network latency to any agent.
const BEGIN_DELAY: Duration = Duration::from_millis(100);

/// Silence of an agent that is worth a warning.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);

/// Interval of pings to an agent.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Capacity of the channel of responses from all agents.
const EVENT_CAPACITY: usize = 1024;

/// Capacity of the channel of requests to an agent: a run has three.
const REQUEST_CAPACITY: usize = 4;

/// The agents of a run.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Their addresses, as `host:port`.
    pub agents: Vec<String>,
    /// The token to send to them.
    pub token: Option<Token>,
}

/// What the agents have measured.
#[derive(Debug)]
pub struct FleetResults {
    /// The merged results.
    pub results: Results,
    /// What the user must know before trusting the results, such as agents that fell behind or were lost.
    pub warnings: Vec<String>,
    /// No agent was lost.
    pub complete: bool,
}

impl FleetResults {
    /// The results of a run without agents.
    pub fn of_one(results: Results) -> Self {
        Self { results, warnings: Vec::new(), complete: true }
    }
}

/// Has a plan carried out by agents. The run stops early once `interrupted` is true.
///
/// # Errors
/// If an agent cannot be reached or cannot make the run. The message names the agent.
pub fn coordinate(
    plan: &CallPlan,
    fleet: &Fleet,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<FleetResults, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::new(
            format!("cannot start the run: {error}"),
            "raise the limit of open files of this process (`ulimit -n`)",
        )
    })?;
    runtime.block_on(async {
        let (events, mut received) = mpsc::channel(EVENT_CAPACITY);
        let mut agents = Vec::new();
        for (index, address) in fleet.agents.iter().enumerate() {
            agents.push(Agent::prepare(plan, fleet, index, address, events.clone()).await?);
        }
        drop(events);
        await_ready(&agents, &mut received, plan.engine.endpoint.connect_timeout + READY_TIMEOUT).await?;
        let start = observer.start_time().max(Instant::now() + BEGIN_DELAY);
        for agent in &agents {
            agent.send(Step::Begin(Begin { after: (start - Instant::now()).try_into().ok() })).await;
        }
        Supervisor { agents: &agents, observer, interrupted, start }.run(&mut received).await
    })
}

/// A response of an agent, or the end of its stream.
struct Event {
    agent: usize,
    response: Result<run_response::Step, Status>,
}

/// An agent that has received the plan.
struct Agent {
    address: String,
    requests: mpsc::Sender<RunRequest>,
}

impl Agent {
    async fn prepare(
        plan: &CallPlan,
        fleet: &Fleet,
        index: usize,
        address: &str,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Error> {
        let channel = connect(address).await?;
        let mut client = AgentServiceClient::with_interceptor(channel, SendToken(fleet.token.clone()))
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let (requests, outgoing) = mpsc::channel(REQUEST_CAPACITY);
        let agent = Self { address: address.to_owned(), requests };
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        agent
            .send(Step::Prepare(Prepare {
                version: VERSION.to_owned(),
                plan: encode(plan)?,
                index: number(index),
                total: number(fleet.agents.len()),
            }))
            .await;
        let response = client.run(ReceiverStream::new(outgoing)).await;
        let responses = response.map_err(|status| rejected(address, &status))?.into_inner();
        tokio::spawn(forward_responses(index, responses, events));
        Ok(agent)
    }

    /// Has no effect if the agent has disconnected, which its events report.
    async fn send(&self, step: Step) {
        let _sent = self.requests.send(RunRequest { step: Some(step) }).await;
    }
}

async fn connect(address: &str) -> Result<Channel, Error> {
    let unreachable = |error: &dyn Display| {
        Error::new(
            format!("cannot connect to agent {address}: {error}"),
            "start it there with `inrush-loadtest agent --listen ADDRESS`, and pass its host:port to --agents",
        )
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| unreachable(&error))?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).http2_keep_alive_interval(PING_INTERVAL);
    endpoint.connect().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        unreachable(&cause.unwrap_or_else(|| error.to_string()))
    })
}

fn rejected(address: &str, status: &Status) -> Error {
    Error::new(
        format!("agent {address} rejected the run: {}", status.message()),
        "restart it with `inrush-loadtest agent`, with this version and this token",
    )
}

fn failed(address: &str, failed: &Failed) -> Error {
    Error::new(format!("agent {address}: {}", failed.message), &failed.remedy)
}

/// Forwards the responses of an agent until its stream ends.
async fn forward_responses(agent: usize, mut responses: Streaming<RunResponse>, events: mpsc::Sender<Event>) {
    loop {
        let response = match responses.message().await {
            Ok(Some(RunResponse { step: Some(step) })) => Ok(step),
            Ok(Some(RunResponse { step: None })) => continue,
            Ok(None) => Err(Status::unavailable("it disconnected")),
            Err(status) => Err(status),
        };
        let over = response.is_err();
        if events.send(Event { agent, response }).await.is_err() || over {
            return;
        }
    }
}

async fn await_ready(
    agents: &[Agent],
    events: &mut mpsc::Receiver<Event>,
    limit: Duration,
) -> Result<(), Error> {
    let mut pending: BTreeMap<usize, &str> =
        agents.iter().enumerate().map(|(index, agent)| (index, agent.address.as_str())).collect();
    let all_ready = async {
        while !pending.is_empty() {
            let Some(Event { agent, response }) = events.recv().await else { break };
            let address = agents.get(agent).map_or("", |agent| agent.address.as_str());
            match response {
                Ok(run_response::Step::Failed(message)) => return Err(failed(address, &message)),
                Err(status) => return Err(rejected(address, &status)),
                Ok(_) => pending.remove(&agent),
            };
        }
        Ok(())
    };
    match timeout(limit, all_ready).await {
        Ok(done) => done,
        Err(_) => {
            let late: Vec<&str> = pending.into_values().collect();
            Err(Error::new(
                format!("agents {} were not ready within {limit:?}", late.join(", ")),
                "check that they can reach the server: try the same call on one of those machines",
            ))
        }
    }
}

/// Supervises the agents during a run.
struct Supervisor<'a> {
    agents: &'a [Agent],
    observer: &'a mut dyn Observer,
    interrupted: &'a AtomicBool,
    start: Instant,
}

impl Supervisor<'_> {
    async fn run(mut self, events: &mut mpsc::Receiver<Event>) -> Result<FleetResults, Error> {
        let mut states: Vec<AgentState> =
            self.agents.iter().map(|agent| AgentState::new(&agent.address)).collect();
        let mut timeline = Timeline::new(INTERVAL);
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stopped = false;
        while states.iter().any(|state| !state.over) {
            tokio::select! {
                event = events.recv() => {
                    let Some(Event { agent, response }) = event else { break };
                    if let Some(state) = states.get_mut(agent) {
                        state.on_response(response, &mut timeline)?;
                    }
                }
                _ = ticks.tick() => {
                    if self.interrupted.load(Ordering::Relaxed) && !stopped {
                        stopped = true;
                        self.stop().await;
                    }
                    states.iter_mut().for_each(AgentState::update_silence);
                    self.show(&timeline, false);
                }
            }
        }
        self.show(&timeline, true);
        merge(states)
    }

    async fn stop(&self) {
        for agent in self.agents {
            agent.send(Step::Stop(Stop {})).await;
        }
    }

    fn show(&mut self, timeline: &Timeline, over: bool) {
        let elapsed = Instant::now().saturating_duration_since(self.start);
        self.observer.on_progress(&Progress { elapsed, timeline, over });
    }
}

/// The state of an agent during a run.
struct AgentState {
    address: String,
    last_response: Instant,
    max_silence: Duration,
    assembly: Assembly,
    results: Option<Results>,
    /// Why the agent was lost.
    lost: Option<String>,
    over: bool,
}

impl AgentState {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            last_response: Instant::now(),
            max_silence: Duration::ZERO,
            assembly: Assembly::default(),
            results: None,
            lost: None,
            over: false,
        }
    }

    fn on_response(
        &mut self,
        response: Result<run_response::Step, Status>,
        timeline: &mut Timeline,
    ) -> Result<(), Error> {
        self.update_silence();
        self.last_response = Instant::now();
        if self.over {
            return Ok(());
        }
        let accepted = match response {
            Ok(run_response::Step::Failed(message)) => return Err(failed(&self.address, &message)),
            Ok(run_response::Step::Ready(_)) => Ok(()),
            Ok(run_response::Step::Progress(progress)) => progress.intervals.iter().try_for_each(|bytes| {
                timeline.add(&decode::<Interval>(bytes)?);
                Ok(())
            }),
            Ok(run_response::Step::Results(part)) => self.assembly.push(&part).map(|results| {
                self.over = results.is_some();
                self.results = results;
            }),
            Err(status) => Err(status),
        };
        if let Err(status) = accepted {
            self.lost = Some(status.message().to_owned());
            self.over = true;
        }
        Ok(())
    }

    fn update_silence(&mut self) {
        if !self.over {
            self.max_silence = self.max_silence.max(self.last_response.elapsed());
        }
    }

    /// Warnings about the agent itself, apart from its results.
    fn warnings(&self) -> Vec<String> {
        let Self { address, max_silence, .. } = self;
        let mut warnings = Vec::new();
        if let Some(reason) = &self.lost {
            warnings.push(format!("agent {address} was lost, and its calls are missing: {reason}"));
        }
        if *max_silence >= SILENCE_TIMEOUT {
            warnings.push(format!("agent {address} fell behind: it sent nothing for {max_silence:?}"));
        }
        warnings
    }
}

fn merge(states: Vec<AgentState>) -> Result<FleetResults, Error> {
    let complete = states.iter().all(|state| state.lost.is_none());
    let mut all: Vec<String> = states.iter().flat_map(AgentState::warnings).collect();
    let parts: Vec<(String, &Results)> =
        states.iter().filter_map(|state| Some((state.address.clone(), state.results.as_ref()?))).collect();
    all.extend(warnings(&parts));
    let merged = states.into_iter().filter_map(|state| state.results).reduce(|mut whole, part| {
        whole.merge(part);
        whole
    });
    let results = merged.ok_or_else(|| {
        Error::new(
            format!("all agents were lost: {}", all.join("; ")),
            "check the output of the agents, and restart them",
        )
    })?;
    Ok(FleetResults { results, warnings: all, complete })
}
