//! Runs on several machines. The agents are processes of the real binary.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use inrush_loadtest::{
    agents::{Fleet, FleetResults, Token, coordinate},
    call::CallPlan,
    engine::{Observer, Plan, Progress},
};
use inrush_report::measure::{EndReason, Interval};
use inrush_transport::Error;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    runs::{NoObserver, closed, numbered, open, plan},
    server::RecordingServer,
};

const TOOL: &str = env!("CARGO_BIN_EXE_inrush-loadtest");

/// An agent process, which is killed at the end of the test.
struct Agent {
    process: Child,
    address: String,
}

impl Agent {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(TOOL)
            .args(["agent", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_remove("INRUSH_LOADTEST_TOKEN")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, address }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn fleet(agents: &[&Agent]) -> Fleet {
    Fleet { agents: agents.iter().map(|agent| agent.address.clone()).collect(), token: None }
}

fn call(engine: Plan) -> CallPlan {
    CallPlan { requests: numbered(), engine }
}

fn run(plan: &CallPlan, fleet: &Fleet) -> Result<FleetResults, Error> {
    coordinate(plan, fleet, &mut NoObserver, &AtomicBool::new(false))
}

fn numbers(server: &RecordingServer) -> Vec<u64> {
    let mut numbers: Vec<u64> = server.answers().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn agents_make_every_call_once_and_their_results_are_merged() {
    let server = RecordingServer::start();
    let agents = [Agent::start(&[]), Agent::start(&[]), Agent::start(&[])];
    let mut plan = call(plan(server.endpoint(), open(500.0), 400));
    plan.engine.recording.details = 150;
    let FleetResults { results, complete, .. } = run(&plan, &fleet(&agents.each_ref())).unwrap();
    assert!(complete);
    assert_eq!(numbers(&server), (0..400).collect::<Vec<u64>>());
    assert_eq!((results.count(), results.ok.service.len(), results.ok.from_planned.len()), (400, 400, 400));
    assert_eq!(results.timeline.intervals().iter().map(Interval::ended).sum::<u64>(), 400);
    assert_eq!(results.details.details().len(), 150);
    assert_eq!(results.end_reason, EndReason::Normal);
}

#[test]
fn workers_are_divided_among_agents() {
    let server = RecordingServer::start();
    server.freeze_forever();
    let agents = [Agent::start(&[]), Agent::start(&[])];
    let mut plan = call(plan(server.endpoint(), closed(7), u64::MAX));
    plan.engine.stop.duration = Some(Duration::from_secs(1));
    let FleetResults { results, .. } = run(&plan, &fleet(&agents.each_ref())).unwrap();
    assert_eq!((server.max_concurrent(), results.failures()), (7, 7));
}

#[test]
fn a_lost_agent_is_named_and_the_other_results_are_kept() {
    let server = RecordingServer::start();
    let (good, lost) = (Agent::start(&[]), Agent::start(&[]));
    let plan = call(plan(server.endpoint(), open(200.0), 600));
    let fleet = fleet(&[&good, &lost]);
    let mut kill = Once { at: 100, act: || lost.signal(Signal::KILL), ended: 0 };
    let results = coordinate(&plan, &fleet, &mut kill, &AtomicBool::new(false)).unwrap();
    assert!(!results.complete);
    assert_eq!(results.results.count(), 300, "half of the calls belong to the lost agent");
    let warning = &results.warnings[0];
    assert!(warning.contains(&lost.address) && warning.contains("its calls are missing"), "{warning}");
}

#[test]
fn an_agent_that_fell_behind_is_named() {
    let server = RecordingServer::start();
    let (good, slow) = (Agent::start(&[]), Agent::start(&[]));
    let plan = call(plan(server.endpoint(), open(200.0), 1_000));
    let fleet = fleet(&[&good, &slow]);
    let mut stop = Once { at: 100, act: || slow.signal(Signal::STOP), ended: 0 };
    let results = std::thread::scope(|scope| {
        let run = scope.spawn(|| coordinate(&plan, &fleet, &mut stop, &AtomicBool::new(false)));
        // Once the other agent has made all of its calls, the stopped one has missed some of its own.
        await_until(|| server.answers().iter().filter(|(number, _)| number % 2 == 0).count() == 500);
        slow.signal(Signal::CONT);
        run.join().unwrap().unwrap()
    });
    assert!(results.complete);
    assert_eq!(results.results.count(), 1_000, "late calls are still made");
    let names_agent = |warning: &String| warning.contains(&slow.address) && warning.contains("fell behind");
    assert!(results.warnings.iter().any(names_agent), "{:?}", results.warnings);
    assert!(results.results.late > 0);
}

#[test]
fn agents_stop_when_the_coordinator_is_interrupted() {
    let server = RecordingServer::start();
    let agent = Agent::start(&[]);
    let plan = call(plan(server.endpoint(), open(200.0), u64::MAX));
    let interrupted = AtomicBool::new(false);
    let mut stop =
        Once { at: 50, act: || interrupted.store(true, std::sync::atomic::Ordering::SeqCst), ended: 0 };
    let results = coordinate(&plan, &fleet(&[&agent]), &mut stop, &interrupted).unwrap();
    assert_eq!(results.results.end_reason, EndReason::Cancel);
    // It accepts another run.
    let plan = CallPlan { engine: plan_of(&server, 3), ..plan };
    await_until(|| run(&plan, &fleet(&[&agent])).is_ok());
}

#[test]
fn a_coordinator_without_the_token_is_rejected() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "the-secret\n").unwrap();
    let server = RecordingServer::start();
    let agent = Agent::start(&["--token-file", path.to_str().unwrap()]);
    let plan = call(plan_of(&server, 10));
    let mut fleet = fleet(&[&agent]);
    let error = run(&plan, &fleet).unwrap_err();
    assert!(error.wrong().contains(&agent.address), "{error}");
    assert!(error.wrong().contains("--agents-token-file"), "{error}");
    fleet.token = Token::find(Some(&path)).unwrap();
    assert_eq!(run(&plan, &fleet).unwrap().results.count(), 10);
}

#[test]
fn an_agent_on_a_public_address_requires_a_token() {
    let output = Command::new(TOOL)
        .args(["agent", "--listen", "0.0.0.0:0"])
        .env_remove("INRUSH_LOADTEST_TOKEN")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--listen 0.0.0.0:0") && stderr.contains("--token-file"), "{stderr}");
}

#[test]
fn an_agent_that_is_unreachable_or_cannot_reach_the_server_is_named() {
    let server = RecordingServer::start();
    let agent = Agent::start(&[]);
    let mut unreachable = fleet(&[&agent]);
    unreachable.agents.push("127.0.0.1:1".to_owned());
    let error = run(&call(plan_of(&server, 10)), &unreachable).unwrap_err();
    assert!(error.wrong().contains("agent 127.0.0.1:1"), "{error}");
    let mut plan = plan_of(&server, 10);
    plan.endpoint.port = 1;
    let mut error = run(&call(plan.clone()), &fleet(&[&agent])).unwrap_err();
    await_until(|| {
        // The agent may still be busy with the cancelled run.
        if error.wrong().contains("busy") {
            error = run(&call(plan.clone()), &fleet(&[&agent])).unwrap_err();
        }
        !error.wrong().contains("busy")
    });
    assert!(
        error.wrong().contains(&format!("agent {}: cannot connect to 127.0.0.1:1", agent.address)),
        "{error}"
    );
}

fn plan_of(server: &RecordingServer, calls: u64) -> Plan {
    plan(server.endpoint(), closed(2), calls)
}

fn await_until(mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < limit, "timed out");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Calls `act` once a number of calls have ended.
struct Once<F: Fn()> {
    at: u64,
    act: F,
    ended: u64,
}

impl<F: Fn()> Observer for Once<F> {
    fn on_progress(&mut self, progress: &Progress<'_>) {
        let ended = progress.timeline.intervals().iter().map(Interval::ended).sum();
        if self.ended < self.at && ended >= self.at {
            (self.act)();
        }
        self.ended = ended;
    }
}
