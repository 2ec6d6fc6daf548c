//! The engine makes the planned calls and counts every one.

use std::{net::TcpListener, time::Duration};

use inrush_loadtest::{
    engine::{AtDuration, Load, Share},
    schedule::{ConcurrencySchedule, RateSchedule},
};
use inrush_report::measure::{Code, EndReason, Interval};
use inrush_transport::Endpoint;

use crate::{
    runs::{closed, open, plan, run, run_share},
    server::RecordingServer,
};

fn numbers(server: &RecordingServer) -> Vec<u64> {
    let mut numbers: Vec<u64> = server.answers().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn every_call_is_made_once_by_the_planned_number_of_workers() {
    let server = RecordingServer::start();
    let results = run(&plan(server.endpoint(), closed(5), 2_000)).unwrap();
    assert_eq!(numbers(&server), (0..2_000).collect::<Vec<u64>>());
    assert_eq!((results.count(), results.failures()), (2_000, 0));
    assert_eq!(results.end_reason, EndReason::Normal);
    assert_eq!(results.details.details().len(), 2_000);
    let ended: u64 = results.timeline.intervals().iter().map(Interval::ended).sum();
    let sent: u64 = results.timeline.intervals().iter().map(|interval| interval.sent).sum();
    assert_eq!((ended, sent), (2_000, 2_000));
    assert!((2..=5).contains(&server.max_concurrent()), "{}", server.max_concurrent());
}

#[test]
fn an_open_loop_continues_while_the_server_does_not_answer() {
    let server = RecordingServer::start();
    server.freeze_forever();
    let mut plan = plan(server.endpoint(), open(500.0), u64::MAX);
    plan.stop.duration = Some(Duration::from_secs(1));
    let results = run(&plan).unwrap();
    assert_eq!(results.end_reason, EndReason::Timeout);
    // A busy machine may not send the last calls in time, and then counts them as unsent.
    let cut_off = results.codes[Code::Unavailable.index()];
    assert_eq!(cut_off + results.unsent, 500);
    assert!(cut_off > 100, "{cut_off}");
    assert!(server.max_concurrent() > 100, "{}", server.max_concurrent());
}

#[test]
fn calls_beyond_the_limit_count_as_unsent() {
    let server = RecordingServer::start();
    server.freeze_forever();
    let load = Load::Open { rate: RateSchedule::Constant { rate: 500.0 }, max_in_flight: 100 };
    let mut plan = plan(server.endpoint(), load, u64::MAX);
    plan.stop = inrush_loadtest::engine::Stop {
        calls: None,
        duration: Some(Duration::from_secs(1)),
        at_duration: AtDuration::Ignore,
    };
    let results = run(&plan).unwrap();
    assert_eq!(results.count(), 0);
    assert_eq!(results.ignored + results.unsent, 500);
    assert!((1..=100).contains(&results.ignored), "{}", results.ignored);
}

#[test]
fn calls_may_end_after_the_duration() {
    let server = RecordingServer::start();
    server.freeze(Duration::ZERO, Duration::from_millis(1_500));
    let mut plan = plan(server.endpoint(), open(100.0), u64::MAX);
    plan.stop.duration = Some(Duration::from_secs(1));
    plan.stop.at_duration = AtDuration::Wait;
    let results = run(&plan).unwrap();
    assert_eq!((results.count(), results.failures()), (100, 0));
    assert_eq!(results.end_reason, EndReason::Timeout);
}

#[test]
fn a_call_beyond_its_time_limit_is_cancelled() {
    let server = RecordingServer::start();
    server.freeze_forever();
    let mut plan = plan(server.endpoint(), closed(3), 6);
    plan.timeout = Some(Duration::from_millis(50));
    let results = run(&plan).unwrap();
    assert_eq!(results.codes[Code::DeadlineExceeded.index()], 6);
    let texts: Vec<(&str, u64)> = results.errors.iter().collect();
    assert_eq!(texts, [("rpc error: code = DeadlineExceeded desc = context deadline exceeded", 6)]);
}

/// All answers together exceed the flow-control window of a connection.
#[test]
fn large_answers_do_not_exhaust_the_window_of_a_connection() {
    const LENGTH: usize = 200_000;
    let server = RecordingServer::with_answer_length(LENGTH);
    let results = run(&plan(server.endpoint(), closed(4), 1_000)).unwrap();
    assert_eq!((results.count(), results.failures()), (1_000, 0));
    assert!(results.bytes_received > 1_000 * LENGTH as u64);
}

#[test]
fn the_number_of_workers_follows_the_schedule() {
    let server = RecordingServer::start();
    server.freeze_forever();
    let workers = ConcurrencySchedule::Step {
        start: 2,
        step: 3,
        every: Duration::from_millis(100),
        end: Some(8),
        until: None,
    };
    let mut plan = plan(server.endpoint(), Load::Closed { workers, pace: None }, u64::MAX);
    plan.stop.duration = Some(Duration::from_secs(2));
    let results = run(&plan).unwrap();
    assert_eq!((server.max_concurrent(), results.count()), (8, 8));
}

#[test]
fn a_paced_closed_loop_does_not_exceed_its_rate() {
    let server = RecordingServer::start();
    let load = Load::Closed {
        workers: ConcurrencySchedule::Constant { workers: 4 },
        pace: Some(RateSchedule::Constant { rate: 100.0 }),
    };
    let results = run(&plan(server.endpoint(), load, 51)).unwrap();
    assert_eq!(results.count(), 51);
    assert!(results.took >= Duration::from_millis(500), "{:?}", results.took);
}

#[test]
fn first_calls_and_the_warm_up_are_not_counted() {
    let server = RecordingServer::start();
    let mut plan = plan(server.endpoint(), open(100.0), 100);
    plan.recording.skip_first = 10;
    plan.recording.warm_up = Duration::from_millis(295);
    let results = run(&plan).unwrap();
    assert_eq!((results.count(), results.skipped), (70, 30));
    assert_eq!(server.answers().len(), 100);
}

#[test]
fn machines_share_the_calls_of_a_run() {
    let server = RecordingServer::start();
    let plan = plan(server.endpoint(), open(1_000.0), 301);
    let parts = std::thread::scope(|scope| {
        let machine = |index| {
            scope.spawn({
                let plan = &plan;
                move || run_share(plan, Share { index, total: 2 })
            })
        };
        [machine(0), machine(1)].map(|machine| machine.join().unwrap().unwrap())
    });
    assert_eq!(parts.map(|part| part.count()), [151, 150]);
    assert_eq!(numbers(&server), (0..301).collect::<Vec<u64>>());
}

#[test]
fn an_unreachable_server_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = run(&plan(Endpoint::plain("127.0.0.1", port), closed(1), 1)).unwrap_err();
    assert!(error.wrong().contains(&format!("127.0.0.1:{port}")), "{error}");
    assert!(error.remedy().contains("is the server running"), "{error}");
}
