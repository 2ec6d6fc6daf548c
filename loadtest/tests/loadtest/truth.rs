//! The reported latencies are those that callers would have had, whatever the server does.

use std::time::{Duration, SystemTime};

use inrush_loadtest::measure::{Quantile as _, Results};

use crate::{
    machine,
    runs::{closed, open, plan, run},
    server::NotingServer,
};

const RATE: f64 = 200.0;
const CALLS: u64 = 800;
const FREEZE: Duration = Duration::from_secs(1);

/// The machine may halt both the server and the load tool for a moment between the server's note and the answer's arrival.
/// A systematic mistake would show in every attempt.
const ATTEMPTS: usize = 5;

#[test]
fn a_frozen_server_shows_as_the_server_itself_has_it() {
    let _machine = machine::alone();
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let (reported, exact) = freeze_under_a_constant_rate();
        assert!(reported >= FREEZE.mul_f64(0.9), "p99.9 is {reported:?}: the freeze does not show");
        let difference = reported.abs_diff(exact).as_secs_f64() / exact.as_secs_f64();
        if difference <= 0.01 {
            return;
        }
        seen.push((reported, exact));
    }
    panic!("reported and exact p99.9 differ by more than 1 % every time: {seen:?}");
}

/// The p99.9 that the run reports, and that of the server's own notes.
fn freeze_under_a_constant_rate() -> (Duration, Duration) {
    let server = NotingServer::start();
    server.freeze(Duration::from_secs(1), FREEZE);
    let results = run(&plan(server.endpoint(), open(RATE), CALLS)).unwrap();
    assert_eq!((results.count(), results.failures(), results.unsent), (CALLS, 0, 0));
    (results.ok.from_planned.at(0.999), exact(&results, &server.answers(), 0.999))
}

/// A quantile of the times from each call's planned time to the server's answer, as HDR histograms define it: the smallest
/// value that at least the share of all does not exceed.
fn exact(results: &Results, answers: &[(u64, SystemTime)], quantile: f64) -> Duration {
    let mut latencies: Vec<Duration> = answers
        .iter()
        .map(|&(number, answered)| {
            let planned = results.started + Duration::from_secs_f64(number as f64 / RATE);
            answered.duration_since(planned).unwrap_or_default()
        })
        .collect();
    latencies.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among few thousand")]
    let rank = (quantile * latencies.len() as f64).ceil() as usize;
    latencies[rank - 1]
}

#[test]
fn a_closed_loop_hides_the_freeze_and_says_that_it_is_one() {
    let server = NotingServer::start();
    server.freeze(Duration::from_millis(200), FREEZE);
    // Two workers are caught by the freeze; the thousands of calls around it know nothing of it.
    let mut plan = plan(server.endpoint(), closed(2), u64::MAX);
    plan.stop.duration = Some(Duration::from_secs(3));
    let results = run(&plan).unwrap();
    assert!(!results.open_loop);
    let caught = results.ok.service.count_between(500_000_000, u64::MAX);
    assert!((1..=2).contains(&caught), "{caught}");
    assert_eq!(results.ok.service.len(), results.ok.from_planned.len());
}
