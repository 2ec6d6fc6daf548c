//! The deterministic simulation: a store that forgets, a front, workers, an order system and buyers on a clock of their own,
//! all from one seed, judged by the checker of `inrush-simulation`.
//!
//! `INRUSH_TEST_SEED` is the first seed and `INRUSH_TEST_RUNS` the number of runs; one run repeats a failure. The history of
//! a failed run is saved.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a run that cannot go on has failed")]

use std::{env, fs, time::Instant};

use inrush_simulation::history::{History, Outcome, Request, check};

use self::{planted::Planted, world::World};

mod buyers;
mod faults;
mod front;
mod order_system;
mod planted;
mod random;
mod rest;
mod scenario;
mod store;
mod workers;
mod world;

/// Runs of `make test`.
const RUNS: u64 = 2_000;

/// Runs in which each planted mistake must be found.
const RUNS_OF_MISTAKES: u64 = 2_000;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn play(seed: u64, planted: Option<Planted>) -> History {
    let mut history = World::new(seed, planted).run();
    history.origin = format!("simulation, seed {seed}");
    history
}

#[test]
fn every_run_keeps_every_rule() {
    let first = number("INRUSH_TEST_SEED", 1);
    let runs = number("INRUSH_TEST_RUNS", RUNS);
    let (begin, mut calls, mut losses, mut orders, mut failed) = (Instant::now(), 0, 0, 0, Vec::new());
    for seed in first..first + runs {
        let history = play(seed, None);
        (calls, losses) = (calls + history.calls.len(), losses + history.losses.len());
        orders += history.orders.len();
        let violations = check(&history);
        if let Some(violation) = violations.first() {
            failed.push(format!("seed {seed}: {} violations, the first: {violation}", violations.len()));
            if failed.len() == 1 {
                save(&history);
            }
        }
    }
    let took = begin.elapsed();
    let rate = 60.0 * runs as f64 / took.as_secs_f64();
    println!(
        "seeds {first} to {}: {runs} runs in {took:.1?} ({rate:.0} a minute), {calls} calls, {losses} losses, {orders} orders, \
         {} failed",
        first + runs - 1,
        failed.len()
    );
    let some: Vec<&String> = failed.iter().take(30).collect();
    assert!(
        failed.is_empty(),
        "{} runs failed; repeat one with INRUSH_TEST_SEED=SEED INRUSH_TEST_RUNS=1: {some:#?}",
        failed.len()
    );
}

fn save(history: &History) {
    let file = env::temp_dir().join(format!("inrush-{}.json", history.origin.replace([' ', ','], "-")));
    let text = serde_json::to_string_pretty(history).expect("a history is JSON");
    match fs::write(&file, text) {
        Ok(()) => println!("the history of the run is in {}", file.display()),
        Err(error) => println!("the history of the run could not be written to {}: {error}", file.display()),
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 1..=50 {
        assert_eq!(play(seed, None), play(seed, None), "seed {seed}");
    }
    assert_ne!(play(1, None), play(2, None));
}

#[test]
fn planted_mistakes_are_found() {
    let mut missed = Vec::new();
    println!("{:<16} {:>7} {:>12}  rule", "mistake", "in run", "by this rule");
    for (planted, rule) in Planted::ALL {
        let mut any = None;
        let by_rule = (1..=RUNS_OF_MISTAKES).find(|&seed| {
            let violations = check(&play(seed, Some(planted)));
            if any.is_none() && !violations.is_empty() {
                any = Some(seed);
            }
            violations.iter().any(|violation| violation.rule == rule)
        });
        match (any, by_rule) {
            (Some(any), Some(run)) => println!("{:<16} {any:>7} {run:>12}  {rule}", format!("{planted:?}")),
            found => missed.push((planted, rule, found)),
        }
    }
    assert!(missed.is_empty(), "not found in {RUNS_OF_MISTAKES} runs: {missed:#?}");
}

/// How many Enqueues named a lost ticket and got a place, and how many of them got the lost one.
fn restores(history: &History) -> (u64, u64) {
    let (mut named, mut restored) = (0, 0);
    for call in &history.calls {
        if let (Request::Enqueue { previous_ticket: Some(ticket), .. }, Outcome::Answered(answer)) =
            (call.request, &call.outcome)
        {
            named += 1;
            restored += u64::from(answer.ticket == ticket);
        }
    }
    (named, restored)
}

#[test]
fn lost_tickets_are_restored() {
    let count = |planted| {
        let counts = (1..=300).map(|seed| restores(&play(seed, planted)));
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    };
    let (named, restored) = count(None);
    println!("{restored} of {named} tickets were restored that their holders named");
    // The others were lost with a whole epoch, or with the sale, or the stock has no units left for them.
    assert!(named > 100 && restored * 4 > named * 3, "{restored} of {named}");
    let (named, restored) = count(Some(Planted::RestoresNothing));
    assert!(restored * 4 < named, "{restored} of {named}");
}
