//! The reported latencies are those that callers would experience, whatever the server does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use inrush_report::measure::{Quantile as _, Results};

use crate::{
    machine,
    runs::{closed, open, plan, run},
    server::RecordingServer,
};

/// A low rate: the delayed calls are all answered together, and answering many takes time.
const RATE: f64 = 50.0;
const CALLS: u64 = 200;
const FREEZE: Duration = Duration::from_secs(1);

/// Number of threads that an answer passes from the record of the server to that of the load tool. Each may wait for a core.
const THREADS: u32 = 3;

/// A systematic error would occur in every attempt.
const ATTEMPTS: usize = 5;

#[test]
fn a_freeze_of_the_server_is_reported_with_its_true_latency() {
    let _machine = machine::alone();
    let mut attempts = Vec::new();
    for _ in 0..ATTEMPTS {
        let jitter = Jitter::start();
        let (reported, exact) = freeze_under_a_constant_rate();
        let jitter = jitter.worst();
        assert!(reported >= FREEZE.mul_f64(0.9), "p99.9 is {reported:?}: the freeze is not reported");
        if reported.abs_diff(exact) <= exact.mul_f64(0.01) + jitter * THREADS {
            return;
        }
        attempts.push((reported, exact, jitter));
    }
    panic!(
        "reported and exact p99.9 differ by more than 1 % and the machine's jitter in every attempt: {attempts:?}"
    );
}

/// The maximum time that a ready thread waits for a core, which a busy machine adds to every measurement.
struct Jitter {
    over: Arc<AtomicBool>,
    sleeper: JoinHandle<Duration>,
}

impl Jitter {
    fn start() -> Self {
        const SLEEP: Duration = Duration::from_millis(1);
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let sleeper = thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !flag.load(Ordering::Relaxed) {
                let slept = Instant::now();
                thread::park_timeout(SLEEP);
                worst = worst.max(slept.elapsed().saturating_sub(SLEEP));
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

/// The p99.9 in the results, and the exact one by the records of the server.
fn freeze_under_a_constant_rate() -> (Duration, Duration) {
    let server = RecordingServer::start();
    server.freeze(Duration::from_secs(1), FREEZE);
    let results = run(&plan(server.endpoint(), open(RATE), CALLS)).unwrap();
    assert_eq!((results.count(), results.failures(), results.unsent), (CALLS, 0, 0));
    (results.ok.from_planned.at(0.999), exact(&results, &server.answers(), 0.999))
}

/// A quantile of the times from the planned time of each call to the answer of the server, as HDR histograms define it: the
/// smallest value that at least this share of all values does not exceed.
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
fn a_closed_loop_hides_the_freeze_and_reports_the_loop() {
    let server = RecordingServer::start();
    server.freeze(Duration::from_millis(200), FREEZE);
    // The freeze delays two workers; the thousands of calls before and after it are not delayed.
    let mut plan = plan(server.endpoint(), closed(2), u64::MAX);
    plan.stop.duration = Some(Duration::from_secs(3));
    let results = run(&plan).unwrap();
    assert!(!results.open_loop);
    let delayed = results.ok.service.count_between(500_000_000, u64::MAX);
    assert!((1..=2).contains(&delayed), "{delayed}");
    assert_eq!(results.ok.service.len(), results.ok.from_planned.len());
}
