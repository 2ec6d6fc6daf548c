//! The coordinator: has a run made by agents, all starting together.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

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
    remarks::remarks,
    token::{Show, Token},
    v1::{
        Begin, Prepare, RunRequest, RunResponse, Stop, agent_service_client::AgentServiceClient,
        run_request::Step, run_response,
    },
    wire::{Assembly, LONGEST_MESSAGE, VERSION, decoded, encoded},
};
use crate::{
    call::CallPlan,
    engine::{INTERVAL, Observer, Progress},
    measure::{Interval, Results, Timeline},
    problem::Problem,
};

/// How long an agent may take to answer at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long an agent may take to open its connections, beyond the plan's own limit for that.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Between the word to begin and the beginning: longer than the word's way to any agent.
const BEGIN_AFTER: Duration = Duration::from_millis(100);

/// An agent that has said nothing for so long is remarked upon.
const SILENCE: Duration = Duration::from_secs(3);

/// How soon a coordinator notices that an agent is gone.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Events of all agents that may wait to be handled.
const EVENTS: usize = 1024;

/// Requests to an agent: a run has three.
const REQUESTS: usize = 4;

/// Machines that make load together.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Their addresses, as `host:port`.
    pub agents: Vec<String>,
    /// What is shown to them.
    pub token: Option<Token>,
}

/// What the agents measured.
#[derive(Debug)]
pub struct FleetResults {
    /// All of it, merged.
    pub results: Results,
    /// What must be known before the results are believed: who fell behind, or was lost.
    pub remarks: Vec<String>,
    /// No agent was lost.
    pub complete: bool,
}

impl FleetResults {
    /// What this machine measured alone.
    pub fn of_one(results: Results) -> Self {
        Self { results, remarks: Vec::new(), complete: true }
    }
}

/// Has a plan carried out by agents. The run stops early once `interrupted` is true.
///
/// # Errors
/// When an agent cannot be reached or cannot make the run; the message names it.
pub fn coordinate(
    plan: &CallPlan,
    fleet: &Fleet,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<FleetResults, Problem> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Problem::new(format!("the run cannot start: {error}"), "allow this process more open files")
    })?;
    runtime.block_on(async {
        let (events, mut seen) = mpsc::channel(EVENTS);
        let mut agents = Vec::new();
        for (index, address) in fleet.agents.iter().enumerate() {
            agents.push(Agent::prepare(plan, fleet, index, address, events.clone()).await?);
        }
        drop(events);
        await_ready(&agents, &mut seen, plan.engine.endpoint.connect_timeout + READY_LIMIT).await?;
        let start = observer.ready().max(Instant::now() + BEGIN_AFTER);
        for agent in &agents {
            agent.say(Step::Begin(Begin { after: (start - Instant::now()).try_into().ok() })).await;
        }
        let watch = Watch { agents: &agents, observer, interrupted, start };
        watch.until_done(&mut seen).await
    })
}

/// What an agent said, or that it is gone.
struct Event {
    agent: usize,
    said: Result<run_response::Step, Status>,
}

/// An agent that has been told the plan.
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
    ) -> Result<Self, Problem> {
        let channel = connect(address).await?;
        let mut client = AgentServiceClient::with_interceptor(channel, Show(fleet.token.clone()))
            .max_decoding_message_size(LONGEST_MESSAGE)
            .max_encoding_message_size(LONGEST_MESSAGE);
        let (requests, outgoing) = mpsc::channel(REQUESTS);
        let agent = Self { address: address.to_owned(), requests };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        agent
            .say(Step::Prepare(Prepare {
                version: VERSION.to_owned(),
                plan: encoded(plan)?,
                index: count(index),
                of: count(fleet.agents.len()),
            }))
            .await;
        let answer = client.run(ReceiverStream::new(outgoing)).await;
        let responses = answer.map_err(|status| refused(address, &status))?.into_inner();
        tokio::spawn(hear(index, responses, events));
        Ok(agent)
    }

    /// Fails silently for an agent that is gone: it is heard of in its events.
    async fn say(&self, step: Step) {
        let _said = self.requests.send(RunRequest { step: Some(step) }).await;
    }
}

async fn connect(address: &str) -> Result<Channel, Problem> {
    let unreachable = |why: &dyn std::fmt::Display| {
        Problem::new(
            format!("agent {address} cannot be reached: {why}"),
            "start one there with `inrush-loadtest agent --listen ADDRESS`, and give its host:port to --agents",
        )
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| unreachable(&error))?;
    let endpoint = endpoint.connect_timeout(CONNECT_LIMIT).http2_keep_alive_interval(PING_EVERY);
    endpoint.connect().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        unreachable(&cause.unwrap_or_else(|| error.to_string()))
    })
}

fn refused(address: &str, status: &Status) -> Problem {
    Problem::new(
        format!("agent {address} does not take the run: {}", status.message()),
        "start it anew with `inrush-loadtest agent`, of this version and with this token",
    )
}

/// Passes on what an agent says, until it says no more.
async fn hear(agent: usize, mut responses: Streaming<RunResponse>, events: mpsc::Sender<Event>) {
    loop {
        let said = match responses.message().await {
            Ok(Some(RunResponse { step: Some(step) })) => Ok(step),
            Ok(Some(RunResponse { step: None })) => continue,
            Ok(None) => Err(Status::unavailable("it left")),
            Err(status) => Err(status),
        };
        let over = said.is_err();
        if events.send(Event { agent, said }).await.is_err() || over {
            return;
        }
    }
}

async fn await_ready(
    agents: &[Agent],
    seen: &mut mpsc::Receiver<Event>,
    limit: Duration,
) -> Result<(), Problem> {
    let mut waiting: BTreeMap<usize, &str> =
        agents.iter().enumerate().map(|(index, agent)| (index, agent.address.as_str())).collect();
    let all = async {
        while !waiting.is_empty() {
            let Some(Event { agent, said }) = seen.recv().await else { break };
            let address = agents.get(agent).map_or("", |agent| agent.address.as_str());
            match said {
                Ok(run_response::Step::Failed(failed)) => return Err(of_agent(address, &failed)),
                Err(status) => return Err(refused(address, &status)),
                Ok(_) => waiting.remove(&agent),
            };
        }
        Ok(())
    };
    match timeout(limit, all).await {
        Ok(done) => done,
        Err(_) => {
            let late: Vec<&str> = waiting.into_values().collect();
            Err(Problem::new(
                format!("agents {} did not get ready within {limit:?}", late.join(", ")),
                "can they reach the server? Try the same call on one of those machines",
            ))
        }
    }
}

fn of_agent(address: &str, failed: &super::v1::Failed) -> Problem {
    Problem::new(format!("agent {address}: {}", failed.wrong), &failed.remedy)
}

/// Follows a run that has begun.
struct Watch<'a> {
    agents: &'a [Agent],
    observer: &'a mut dyn Observer,
    interrupted: &'a AtomicBool,
    start: Instant,
}

impl Watch<'_> {
    async fn until_done(mut self, seen: &mut mpsc::Receiver<Event>) -> Result<FleetResults, Problem> {
        let mut reports: Vec<AgentReport> =
            self.agents.iter().map(|agent| AgentReport::new(&agent.address)).collect();
        let mut timeline = Timeline::new(INTERVAL);
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stopped = false;
        while reports.iter().any(|report| !report.over) {
            tokio::select! {
                event = seen.recv() => {
                    let Some(Event { agent, said }) = event else { break };
                    if let Some(report) = reports.get_mut(agent) {
                        report.take(said, &mut timeline)?;
                    }
                }
                _ = ticks.tick() => {
                    if self.interrupted.load(Ordering::Relaxed) && !stopped {
                        stopped = true;
                        self.stop().await;
                    }
                    reports.iter_mut().for_each(AgentReport::notice_silence);
                    self.show(&timeline, false);
                }
            }
        }
        self.show(&timeline, true);
        merged(reports)
    }

    async fn stop(&self) {
        for agent in self.agents {
            agent.say(Step::Stop(Stop {})).await;
        }
    }

    fn show(&mut self, timeline: &Timeline, over: bool) {
        let elapsed = Instant::now().saturating_duration_since(self.start);
        self.observer.see(&Progress { elapsed, timeline, over });
    }
}

/// What is known of an agent.
struct AgentReport {
    address: String,
    heard: Instant,
    longest_silence: Duration,
    assembly: Assembly,
    results: Option<Results>,
    lost: Option<String>,
    over: bool,
}

impl AgentReport {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            heard: Instant::now(),
            longest_silence: Duration::ZERO,
            assembly: Assembly::default(),
            results: None,
            lost: None,
            over: false,
        }
    }

    fn take(
        &mut self,
        said: Result<run_response::Step, Status>,
        timeline: &mut Timeline,
    ) -> Result<(), Problem> {
        self.notice_silence();
        self.heard = Instant::now();
        if self.over {
            return Ok(());
        }
        let heard = match said {
            Ok(run_response::Step::Failed(failed)) => return Err(of_agent(&self.address, &failed)),
            Ok(run_response::Step::Ready(_)) => Ok(()),
            Ok(run_response::Step::Seen(seen)) => seen.intervals.iter().try_for_each(|bytes| {
                timeline.add(&decoded::<Interval>(bytes)?);
                Ok(())
            }),
            Ok(run_response::Step::Measured(part)) => self.assembly.take(&part).map(|results| {
                self.over = results.is_some();
                self.results = results;
            }),
            Err(status) => Err(status),
        };
        if let Err(status) = heard {
            self.lost = Some(status.message().to_owned());
            self.over = true;
        }
        Ok(())
    }

    fn notice_silence(&mut self) {
        if !self.over {
            self.longest_silence = self.longest_silence.max(self.heard.elapsed());
        }
    }

    /// What is to be said of the agent itself, apart from its results.
    fn remarks(&self) -> Vec<String> {
        let Self { address, .. } = self;
        let mut remarks = Vec::new();
        if let Some(why) = &self.lost {
            remarks.push(format!("agent {address} was lost, and its calls are missing: {why}"));
        }
        if self.longest_silence >= SILENCE {
            remarks
                .push(format!("agent {address} fell behind: it said nothing for {:?}", self.longest_silence));
        }
        remarks
    }
}

fn merged(reports: Vec<AgentReport>) -> Result<FleetResults, Problem> {
    let complete = reports.iter().all(|report| report.lost.is_none());
    let mut all: Vec<String> = reports.iter().flat_map(AgentReport::remarks).collect();
    let parts: Vec<(String, &Results)> = reports
        .iter()
        .filter_map(|report| Some((report.address.clone(), report.results.as_ref()?)))
        .collect();
    all.extend(remarks(&parts));
    let merged = reports.into_iter().filter_map(|report| report.results).reduce(|mut whole, part| {
        whole.merge(part);
        whole
    });
    let results = merged.ok_or_else(|| {
        Problem::new(
            format!("every agent was lost: {}", all.join("; ")),
            "look at what the agents say, and start them anew",
        )
    })?;
    Ok(FleetResults { results, remarks: all, complete })
}
