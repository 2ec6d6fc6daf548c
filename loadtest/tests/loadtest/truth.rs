//! The reported latencies are those that callers would have had, whatever the server does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use inrush_loadtest::measure::{Quantile as _, Results};

use crate::{
    machine,
    runs::{closed, open, plan, run},
    server::NotingServer,
};

/// Few calls: those that were held up are all answered at once, and answering many takes time.
const RATE: f64 = 50.0;
const CALLS: u64 = 200;
const FREEZE: Duration = Duration::from_secs(1);

/// From the server's note to the load tool's, an answer passes from thread to thread: the note's to the connection's, from
/// there to the load tool's. Each may wait for a core.
const THREADS: u32 = 3;

/// A systematic mistake would show in every attempt.
const ATTEMPTS: usize = 5;

#[test]
fn a_frozen_server_shows_as_the_server_itself_has_it() {
    let _machine = machine::alone();
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let jitter = Jitter::start();
        let (reported, exact) = freeze_under_a_constant_rate();
        let jitter = jitter.worst();
        assert!(reported >= FREEZE.mul_f64(0.9), "p99.9 is {reported:?}: the freeze does not show");
        if reported.abs_diff(exact) <= exact.mul_f64(0.01) + jitter * THREADS {
            return;
        }
        seen.push((reported, exact, jitter));
    }
    panic!("reported and exact p99.9 differ by more than 1 % and the machine's jitter every time: {seen:?}");
}

/// How long a thread that is ready has to wait for a core, at worst: what a busy machine adds to every measure.
struct Jitter {
    over: Arc<AtomicBool>,
    sleeper: JoinHandle<Duration>,
}

impl Jitter {
    fn start() -> Self {
        const NAP: Duration = Duration::from_millis(1);
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let sleeper = thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let slept = Instant::now();
                thread::park_timeout(NAP);
                worst = worst.max(slept.elapsed().saturating_sub(NAP));
            }
            worst
        });
        Self { over, sleeper }
    }

    fn worst(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.sleeper.join().unwrap()
    }
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
