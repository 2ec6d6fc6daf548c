//! The same operations on the memory store and on Redis: every reply, every snapshot and every announcement must be the
//! same. Random scenarios find where the scripts differ from the specification, and shrink to the fewest operations
//! that show it; scripts that are broken on purpose prove that they would.

use std::{
    env,
    panic::resume_unwind,
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use inrush_store::redis::ScriptSources;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};

use self::{
    pair::Pair,
    scenario::{Mix, Scenario, scenarios},
};
use crate::redis_server::RedisServer;

mod broken_scripts;
mod pair;
mod scenario;

/// Operations that an ordinary test run carries out at least.
const OPERATIONS: u64 = 200_000;

/// The environment variable that sets the number of operations, instead of [`OPERATIONS`].
const OPERATIONS_VARIABLE: &str = "INRUSH_TEST_OPERATIONS";

/// The environment variable with the seed of an earlier run, which has printed it.
const SEED_VARIABLE: &str = "INRUSH_TEST_SEED";

/// Threads that work off scenarios, each on a pair of stores of its own; Redis is the third that is busy.
const THREADS: u64 = 2;

/// Scenarios between two checks of how many operations there have been.
const SCENARIOS_AT_ONCE: u32 = 50;

/// Attempts to make a failing scenario smaller …
const SHRINKING_STEPS: u32 = 20_000;

/// … and milliseconds that they may take: long queues are slow to fill.
const SHRINKING_LIMIT_MS: u32 = 60_000;

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}

fn seed_of_the_hour() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since_epoch.as_secs() ^ u64::from(since_epoch.subsec_nanos())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Makes the scenarios of one round; a runner stops for good after its last one.
fn runner(seed: u64, round: u64, shrinking_steps: u32) -> TestRunner {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&round.to_le_bytes());
    let config = Config {
        cases: SCENARIOS_AT_ONCE,
        max_shrink_iters: shrinking_steps,
        max_shrink_time: SHRINKING_LIMIT_MS,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes))
}

/// A difference between memory and Redis, and the smallest scenario that shows it.
struct Counterexample {
    difference: String,
    scenario: Scenario,
}

/// Runs random scenarios until there were at least `operations`, or one differs.
fn compare(
    runtime: &Runtime,
    pair: &Pair<'_>,
    mix: Mix,
    seed: u64,
    operations: u64,
    shrinking_steps: u32,
) -> Result<(), Box<Counterexample>> {
    let mut rounds = 0..;
    while pair.operations() < operations {
        let round = rounds.next().unwrap();
        let result = runner(seed, round, shrinking_steps).run(&scenarios(mix), |scenario| {
            runtime
                .block_on(pair.run(&scenario))
                .map_err(|difference| TestCaseError::fail(difference.to_string()))
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(difference, scenario)) => {
                return Err(Box::new(Counterexample {
                    difference: difference.message().to_owned(),
                    scenario,
                }));
            }
            Err(TestError::Abort(reason)) => panic!("the scenarios cannot be made: {reason}"),
        }
    }
    Ok(())
}

#[test]
fn redis_behaves_like_memory() {
    let wanted = number_from(OPERATIONS_VARIABLE).unwrap_or(OPERATIONS);
    let seed = number_from(SEED_VARIABLE).unwrap_or_else(seed_of_the_hour);
    let server = runtime().block_on(RedisServer::start());
    let started = Instant::now();
    let operations: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let server = &server;
                scope.spawn(move || compare_share(server, wanted.div_ceil(THREADS), seed, worker))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).sum()
    });
    println!("{operations} operations compared in {:?}, {SEED_VARIABLE}={seed}", started.elapsed());
    assert!(operations >= wanted, "only {operations} operations were compared");
}

/// One thread's share of the operations; returns how many there were.
fn compare_share(server: &RedisServer, share: u64, seed: u64, worker: u64) -> u64 {
    let runtime = runtime();
    let pair = runtime.block_on(Pair::new(server, ScriptSources::bundled(), &format!("w{worker}")));
    let result = compare(&runtime, &pair, Mix::Ordinary, seed.wrapping_add(worker), share, SHRINKING_STEPS);
    if let Err(counterexample) = result {
        let Counterexample { difference, scenario } = *counterexample;
        panic!("{difference}\nsmallest scenario: {scenario:#?}\nrepeat with {SEED_VARIABLE}={seed}");
    }
    pair.operations()
}
