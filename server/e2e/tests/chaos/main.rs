//! The short form of the chaos harness: some runs of each setup, with seeds that are the same in every run of the tests.
//! `make chaos` runs more of them.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{env, fs, path::PathBuf};

use inrush_e2e::chaos::{
    plan::Plan,
    run::{RunResult, run},
    store::{Setup, Store},
};
use inrush_simulation::history::page;

/// Runs of each setup.
const RUNS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn one_server() {
    run_seeds(Setup::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_with_two_replicas() {
    run_seeds(Setup::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_replicas() {
    run_seeds(Setup::Cluster).await;
}

async fn run_seeds(setup: Setup) {
    let mut store = Store::start(setup).await.expect("servers start");
    for seed in 1..=RUNS {
        let result = run(Plan::draw(setup, seed), &mut store).await.expect("the harness can go on");
        assert!(
            result.is_good(),
            "seed {seed} of {}: {:#?}\n{:#?}\nrun it again: make chaos SETUP={0} SEED={seed}; history: {}",
            setup.name(),
            result.violations,
            result.failures,
            save(&result).display()
        );
        store.clear().await.expect("the servers are all right again");
    }
}

/// Saves the history of a run that failed, as a page.
fn save(result: &RunResult) -> PathBuf {
    let name = format!("inrush-chaos-{}-{}.html", result.plan.setup.name(), result.plan.seed);
    let path = env::temp_dir().join(name);
    fs::write(&path, page(&result.history, &result.violations)).expect("a file in the temporary folder");
    path
}
