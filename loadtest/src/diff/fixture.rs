//! Runs for tests: thirty seconds with 200 calls per second and autocorrelated latencies, as real runs have.

use std::time::Duration;

use hdrhistogram::Histogram;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    pieces::{Piece, Pieces},
    run::{Run, RunKind},
};

const WIDTH: Duration = Duration::from_millis(250);
const CALLS_PER_PIECE: usize = 50;

/// A run with latencies multiplied by `slower`.
pub(super) fn run(seed: u64, slower: f64) -> Run {
    run_of(seed, slower, 120, None)
}

/// A run with one pause of the server, in which fifty calls took a second.
pub(super) fn paused_run(seed: u64) -> Run {
    run_of(seed, 1.0, 120, Some(60))
}

/// A run of one second.
pub(super) fn short_run() -> Run {
    run_of(1, 1.0, 4, None)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "latencies are small and positive"
)]
fn run_of(seed: u64, slower: f64, pieces: usize, paused: Option<usize>) -> Run {
    let mut random = StdRng::seed_from_u64(seed);
    let mut latencies = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    let mut coarse: Histogram<u64> = Histogram::new_with_bounds(1, 3_600_000_000, 2).unwrap();
    let mut drift = 0.0;
    let pieces: Vec<Piece> = (0..pieces)
        .map(|number| {
            drift = 0.7 * drift + 0.02 * normal(&mut random);
            coarse.reset();
            for _ in 0..CALLS_PER_PIECE {
                let pause = if paused == Some(number) { 1.0 } else { 0.0 };
                let latency = pause + slower * 0.002 * (drift + 0.4 * normal(&mut random)).exp();
                latencies.record((latency * 1e9) as u64).unwrap();
                coarse.record((latency * 1e6) as u64).unwrap();
            }
            let steps = coarse.iter_recorded();
            Piece {
                failed: 0,
                latencies: steps.map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
            }
        })
        .collect();
    Run {
        kind: RunKind { call: "greet.Greeter.Hello".to_owned(), open_loop: Some(true) },
        count: latencies.len(),
        failed: 0,
        counted_for: WIDTH * u32::try_from(pieces.len()).unwrap(),
        latencies,
        pieces: Pieces::new(WIDTH, &pieces),
    }
}

/// Approximately normal, with mean 0 and standard deviation 1.
fn normal(random: &mut StdRng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}
