//! Whole sales through the real front and fulfilment: an honest one passes, and every planted fault is found.

mod cut;
mod liar;
mod system;

use std::{
    process::{Command, Output, Stdio},
    sync::atomic::AtomicBool,
    time::Duration,
};

use inrush_simulation::sale::{
    SaleOptions, SaleRun, run,
    scenario::{ArrivalsTable, Orders, Scenario, Times},
    summary,
};
use inrush_store::fault_injection::Fault;
use serde_json::Value;

use self::{cut::Cut, liar::Liar, system::System};

/// A sale that is over in a few seconds, with everything in it that buyers do.
fn scenario() -> Scenario {
    Scenario {
        buyers: 600,
        units: 150,
        cap: Some(200),
        arrivals: ArrivalsTable {
            within: Duration::from_millis(1_500),
            half_life: Duration::from_millis(300),
            ..ArrivalsTable::default()
        },
        times: Times {
            cancel_within: Duration::from_millis(200),
            unpaid_after: Duration::from_millis(100),
            stuck_after: Duration::from_secs(5),
            ..Times::default()
        },
        orders: Orders { capacity: 100.0, latency: Duration::from_millis(20) },
        ..Scenario::default()
    }
}

fn options(front: &str, system: &System) -> SaleOptions {
    SaleOptions {
        scenario: scenario(),
        host: Some(front.to_owned()),
        orders_listen: Some(system.orders()),
        connections: 2,
        threads: Some(2),
        ..SaleOptions::default()
    }
}

fn play(options: SaleOptions) -> SaleRun {
    let played = run(options, &AtomicBool::new(false), &mut |_, _| ());
    played.unwrap_or_else(|error| panic!("{error}"))
}

/// The checks that found something.
fn found(played: &SaleRun) -> Vec<&'static str> {
    let failed = played.checks.iter().filter(|check| check.faults > 0);
    failed.map(|check| check.name).collect()
}

#[test]
fn an_honest_sale_passes_with_every_kind_of_buyer() {
    let system = System::start(None);
    let played = play(options(&system.front(), &system));
    assert!(played.passed(), "{}", summary::text(&played));
    let counters = &played.shared.counters;
    assert_eq!(counters.arrived.get(), 600);
    assert_eq!(played.ledger.ordered.unwrap_or_default().units, 150);
    for (what, count) in [
        ("refused", counters.refused.get()),
        ("cancelled", counters.cancelled.get()),
        ("repeated", counters.repeated.get()),
        ("released", counters.released.get()),
        ("polled", counters.polls.get()),
        ("watched", counters.changes.get()),
    ] {
        assert!(count > 0, "no buyer {what}: {}", summary::text(&played));
    }
    assert_eq!(played.measures.enqueues.failures() + played.measures.polls.failures(), 0);
}

#[test]
fn an_honest_sale_passes_when_the_connections_to_the_front_are_cut_in_the_middle() {
    let system = System::start(None);
    let cut = Cut::in_front_of(&system.front());
    let mut cuts = 0;
    let played = run(options(&cut.front(), &system), &AtomicBool::new(false), &mut |moment, _| {
        if (cuts == 0 && moment.ordered > 20) || (cuts == 1 && moment.ordered > 90) {
            cut.all();
            cuts += 1;
        }
    });
    let played = played.unwrap_or_else(|error| panic!("{error}"));
    assert!(cuts > 0, "{}", summary::text(&played));
    assert!(played.passed(), "{}", summary::text(&played));
}

#[test]
fn the_final_check_polls_tickets_of_buyers_who_left() {
    let system = System::start(None);
    let mut options = options(&system.front(), &system);
    options.scenario.times.patience = Duration::from_millis(500);
    let played = play(options);
    assert!(played.passed(), "{}", summary::text(&played));
    assert!(played.shared.counters.left.get() > 0, "{}", summary::text(&played));
}

#[test]
fn an_existing_sale_is_used_and_left_open() {
    let system = System::start(None);
    system.create("existing", 100, 140);
    let existing = || SaleOptions { sale: Some("existing".to_owned()), ..options(&system.front(), &system) };
    let played = play(existing());
    assert!(played.passed(), "{}", summary::text(&played));
    let ledger = system.ledger("existing");
    assert_eq!(ledger.ordered.unwrap_or_default().units, 100, "{ledger:#?}");
    assert!(ledger.waiting.unwrap_or_default().tickets > 0, "its standby queue waits: {ledger:#?}");
    // The same buyers again: a buyer with a ticket gets the same one, and a new buyer finds the queue full.
    let played = play(SaleOptions { close: true, ..existing() });
    assert!(played.passed(), "{}", summary::text(&played));
    assert!(system.ledger("existing").expired.unwrap_or_default().tickets > 0);
}

#[test]
fn a_store_that_oversells_is_found() {
    let system = System::start(Some(Fault::Oversell));
    let played = play(options(&system.front(), &system));
    assert!(found(&played).contains(&"oversold"), "{}", summary::text(&played));
    let unseen = SaleOptions { orders_listen: None, ..options(&system.front(), &system) };
    let orders = inrush_simulation::order_system::OrderSystem::start(
        &system.orders(),
        scenario().order_system(),
        std::time::Instant::now(),
    );
    let played = play(unseen);
    assert!(found(&played).contains(&"oversold"), "{}", summary::text(&played));
    drop(orders);
}

#[test]
fn a_store_that_admits_too_many_is_found() {
    let system = System::start(Some(Fault::Overshoot));
    let played = play(options(&system.front(), &system));
    assert!(found(&played).contains(&"oversold"), "{}", summary::text(&played));
}

#[test]
fn a_store_that_loses_tickets_is_found() {
    let system = System::start(Some(Fault::Drop));
    let played = play(options(&system.front(), &system));
    assert!(found(&played).contains(&"lost"), "{}", summary::text(&played));
}

#[test]
fn a_store_that_reorders_is_found() {
    let system = System::start(Some(Fault::Swap));
    let played = play(options(&system.front(), &system));
    assert!(found(&played).contains(&"out of order"), "{}", summary::text(&played));
}

#[test]
fn a_front_whose_positions_rise_is_found() {
    let system = System::start(None);
    let liar = Liar::in_front_of(&system.front(), |seq, asked| seq + asked);
    let played = play(options(&liar.front(), &system));
    assert!(found(&played).contains(&"positions that rose"), "{}", summary::text(&played));
}

#[test]
fn a_front_whose_positions_fall_and_are_wrong_is_found() {
    let system = System::start(None);
    let liar = Liar::in_front_of(&system.front(), |seq, asked| (seq + 40).saturating_sub(asked).max(1));
    let played = play(options(&liar.front(), &system));
    assert!(found(&played).contains(&"positions that are wrong"), "{}", summary::text(&played));
}

fn loadtest(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inrush-loadtest"));
    command.args(arguments.split_whitespace()).output().expect("the binary can be started")
}

#[test]
fn without_a_host_it_starts_an_inrush_and_stops_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let inrush = inrush_testkit::inrush::binary().display();
    let (json, report) = (path("sale.json"), path("sale.html"));
    let output = loadtest(&format!(
        "sale --inrush {inrush} --buyers 300 --units 60 --within 1s --half-life 300ms --capacity 200 \
         --json {json} --report {report}"
    ));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("PASS"), "{text}{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    for written in [format!("json written to {json}"), format!("report written to {report}")] {
        assert!(errors.contains(&written), "no {written:?} in {errors}");
    }
    let json: Value = serde_json::from_slice(&std::fs::read(json).expect("it was written")).expect("JSON");
    assert_eq!(json["verdict"], "PASS");
    assert_eq!(json["counts"]["arrived"], 300);
    assert_eq!(json["counts"]["orderedUnits"], 60);
    let page = std::fs::read_to_string(report).expect("it was written");
    for part in ["Content-Security-Policy", "PASS", "<svg", "out of order", "Positions"] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn a_reader_that_leaves_does_not_change_the_result() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("run.json");
    let inrush = inrush_testkit::inrush::binary().display();
    let arguments =
        format!("sale --inrush {inrush} --buyers 100 --units 20 --within 300ms --json {}", json.display());
    let mut selling = Command::new(env!("CARGO_BIN_EXE_inrush-loadtest"))
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop((selling.stdout.take(), selling.stderr.take()));
    assert_eq!(selling.wait().expect("it ends").code(), Some(0));
    assert!(json.exists());
}

#[test]
fn invalid_command_lines_are_errors_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = folder.path().join("s.toml");
    std::fs::write(&scenario, "buyres = 5\n").expect("a file of our own");
    let scenario = scenario.display();
    for (arguments, parts) in [
        (format!("sale --scenario {scenario}"), ["s.toml:1: unknown field `buyres`", "`buyers`"]),
        ("sale --units 0 127.0.0.1:1".to_owned(), ["units is 0", "it must be 1 to"]),
        ("sale --arrivals sideways".to_owned(), ["\"sideways\" is not a curve", "at-once, or a CSV file"]),
        (
            "sale --json /nowhere/run.json 127.0.0.1:1".to_owned(),
            ["cannot write --json /nowhere/run.json", "folder"],
        ),
        ("compare --svg /nowhere/run.svg".to_owned(), ["cannot write --svg /nowhere/run.svg", "folder"]),
        ("sale 127.0.0.1:1".to_owned(), ["127.0.0.1:1 cannot be reached", "running Inrush"]),
        (
            "sale --inrush /nowhere/inrush".to_owned(),
            ["--inrush /nowhere/inrush: there is no such program", "cargo build"],
        ),
        (
            "sale --orders-listen nonsense 127.0.0.1:1".to_owned(),
            ["cannot listen on \"nonsense\"", "--orders-listen"],
        ),
    ] {
        let output = loadtest(&arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {text}");
        for part in parts {
            assert!(text.contains(part), "{arguments}: no {part:?} in {text}");
        }
    }
}

#[test]
fn the_documented_scenario_is_the_default() {
    let page = include_str!("../../../docs/flash-sales.md");
    let toml =
        page.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("a scenario").0;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("scenario.toml");
    std::fs::write(&path, toml).expect("a file of our own");
    assert_eq!(Scenario::read(&path), Ok(Scenario::default()));
}
