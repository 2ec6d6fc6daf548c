//! Results of runs as lines of JSON that add up over sittings.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use inrush_simulation::history::{Level, Outcome, State};
use serde::{Deserialize, Serialize};

use super::{run::RunResult, store::Setup};

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunLine {
    /// The seed.
    pub seed: u64,
    /// The setup.
    pub setup: Setup,
    /// The durability of the sale.
    pub level: Level,
    /// The faults, by name.
    pub faults: Vec<String>,
    /// Buyers with a ticket.
    pub acknowledged: u64,
    /// Tickets that were LOST when their buyers looked.
    pub lost: u64,
    /// Lost tickets that were restored under their own names.
    pub restored: u64,
    /// Orders, released ones included.
    pub orders: u64,
    /// Calls in the history.
    pub calls: u64,
    /// Calls without an answer.
    pub unanswered: u64,
    /// What the check found, and what went wrong beside it.
    pub violations: Vec<String>,
    /// From the end of all faults until a buyer was answered, in milliseconds.
    pub recovered_ms: Option<u64>,
    /// From the end of all faults until the sale had come to rest, in milliseconds.
    pub drained_ms: Option<u64>,
    /// The whole run, in milliseconds.
    pub took_ms: u64,
}

impl RunLine {
    /// Of a run.
    #[must_use]
    pub fn of(result: &RunResult) -> Self {
        let calls = &result.history.calls;
        let lost: BTreeSet<_> = calls
            .iter()
            .filter_map(|call| match &call.outcome {
                Outcome::Answered(answer) if answer.state == State::Lost => Some(answer.ticket),
                _ => None,
            })
            .collect();
        let unanswered = calls.iter().filter(|call| matches!(call.outcome, Outcome::Unknown { .. })).count();
        let violations = result.violations.iter().map(ToString::to_string);
        Self {
            seed: result.plan.seed,
            setup: result.plan.setup,
            level: result.plan.level,
            faults: result.plan.faults.iter().map(|planned| planned.fault.name()).collect(),
            acknowledged: result.acknowledged,
            lost: lost.len() as u64,
            restored: result.restored,
            orders: result.history.orders.len() as u64,
            calls: calls.len() as u64,
            unanswered: unanswered as u64,
            violations: violations.chain(result.failures.iter().cloned()).collect(),
            recovered_ms: result.recovered_after.map(millis),
            drained_ms: result.drained_after.map(millis),
            took_ms: millis(result.took),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Appends a line.
pub fn append(path: &Path, line: &impl Serialize) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    writeln!(file, "{}", serde_json::to_string(line)?)?;
    Ok(())
}

/// Reads all runs of a results file; none if there is no file.
pub fn read(path: &Path) -> anyhow::Result<Vec<RunLine>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), number + 1))
        })
        .collect()
}

/// Runs, faults and times to recover of each setup, as Markdown.
#[must_use]
pub fn tables(lines: &[RunLine]) -> String {
    let mut text = String::from(
        "| setup | runs | tickets | lost | restored | orders | calls | without answer | violations | \
         answers again (median, worst) | at rest (median, worst) |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for setup in Setup::ALL {
        let of_setup: Vec<&RunLine> = lines.iter().filter(|line| line.setup == setup).collect();
        let sum = |count: fn(&RunLine) -> u64| of_setup.iter().map(|&line| count(line)).sum::<u64>();
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            setup.name(),
            of_setup.len(),
            sum(|line| line.acknowledged),
            sum(|line| line.lost),
            sum(|line| line.restored),
            sum(|line| line.orders),
            sum(|line| line.calls),
            sum(|line| line.unanswered),
            sum(|line| line.violations.len() as u64),
            median_and_worst(of_setup.iter().filter_map(|line| line.recovered_ms).collect()),
            median_and_worst(of_setup.iter().filter_map(|line| line.drained_ms).collect()),
        );
    }
    text += "\n| fault | single | sentinel | cluster |\n|---|---|---|---|\n";
    let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for line in lines {
        for fault in &line.faults {
            counts.entry(fault).or_default()[line.setup as usize] += 1;
        }
    }
    for (fault, [single, sentinel, cluster]) in counts {
        text += &format!("| {fault} | {single} | {sentinel} | {cluster} |\n");
    }
    text
}

fn median_and_worst(mut millis: Vec<u64>) -> String {
    millis.sort_unstable();
    let Some(&worst) = millis.last() else { return "–".to_owned() };
    let median = millis[millis.len() / 2];
    format!("{:.2} s, {:.2} s", median as f64 / 1e3, worst as f64 / 1e3)
}
