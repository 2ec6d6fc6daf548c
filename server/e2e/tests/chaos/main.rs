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

/// How often servers that cannot be set up, or put right after their faults, are replaced.
const MAX_SET_UPS: u32 = 3;

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
    let (mut store, mut set_ups) = (None, 0);
    let mut seed = 1;
    while seed <= RUNS {
        match run_seed(setup, seed, store.take()).await {
            Ok(servers) => {
                store = Some(servers);
                seed += 1;
            }
            // The servers are not up or not right again: no statement about Inrush. The seed gets others.
            Err(error) => {
                set_ups += 1;
                assert!(set_ups <= MAX_SET_UPS, "seed {seed} of {}: {error:#}", setup.name());
            }
        }
    }
}

async fn run_seed(setup: Setup, seed: u64, store: Option<Store>) -> anyhow::Result<Store> {
    let mut store = match store {
        Some(store) => store,
        None => Store::start(setup).await?,
    };
    let result = run(Plan::draw(setup, seed), &mut store).await?;
    assert!(
        result.is_good(),
        "seed {seed} of {}: {:#?}\n{:#?}\nrun it again: make chaos SETUP={0} SEED={seed}; history: {}",
        setup.name(),
        result.violations,
        result.failures,
        save(&result).display()
    );
    store.clear().await?;
    Ok(store)
}

/// Saves the history of a run that failed, as a page.
fn save(result: &RunResult) -> PathBuf {
    let name = format!("inrush-chaos-{}-{}.html", result.plan.setup.name(), result.plan.seed);
    let path = env::temp_dir().join(name);
    fs::write(&path, page(&result.history, &result.violations)).expect("a file in the temporary folder");
    path
}
