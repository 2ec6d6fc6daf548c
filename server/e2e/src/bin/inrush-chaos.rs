//! `inrush-chaos`: runs of the chaos harness, as many as there is time for.

use std::{fs, path::PathBuf};

use anyhow::bail;
use clap::{Args, Parser, ValueEnum};
use inrush_e2e::chaos::{
    fault::Fault,
    plan::Plan,
    results::{self, RunLine},
    run::{RunResult, run},
    store::{Setup, Store},
};
use inrush_simulation::history::{History, check, page};

/// Runs sales on real processes with faults drawn from seeds, and checks their histories.
#[derive(Debug, Parser)]
enum Command {
    /// Run seeds, one after the other.
    Run(RunArgs),
    /// Print the tables of a results file as Markdown.
    Table {
        /// The results file.
        #[arg(default_value = "target/chaos/results.jsonl")]
        results: PathBuf,
    },
    /// Check a history and draw it as a page of HTML.
    Page(PageArgs),
}

#[derive(Debug, Args)]
struct PageArgs {
    /// A history that was saved.
    history: PathBuf,
    /// Where the page goes.
    page: PathBuf,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// How many runs of each setup.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The setups; all if none is given.
    #[arg(long, value_enum)]
    setup: Vec<SetupName>,
    /// Run these faults in place of those that the seed draws, such as power-cut,kill-front.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
    /// Results are appended to this file.
    #[arg(long, default_value = "target/chaos/results.jsonl")]
    results: PathBuf,
    /// Histories of failing runs are saved in this folder.
    #[arg(long, default_value = "target/chaos/failures")]
    failures: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SetupName {
    Single,
    Sentinel,
    Cluster,
}

impl From<SetupName> for Setup {
    fn from(name: SetupName) -> Self {
        match name {
            SetupName::Single => Self::Single,
            SetupName::Sentinel => Self::Sentinel,
            SetupName::Cluster => Self::Cluster,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Run(args) => run_all(&args).await,
        Command::Table { results } => {
            print!("{}", results::tables(&results::read(&results)?));
            Ok(())
        }
        Command::Page(args) => {
            let history: History = serde_json::from_str(&fs::read_to_string(&args.history)?)?;
            fs::write(&args.page, page(&history, &check(&history)))?;
            Ok(())
        }
    }
}

async fn run_all(args: &RunArgs) -> anyhow::Result<()> {
    for folder in [Some(args.failures.as_path()), args.results.parent()].into_iter().flatten() {
        fs::create_dir_all(folder)?;
    }
    let setups: Vec<Setup> = if args.setup.is_empty() {
        Setup::ALL.to_vec()
    } else {
        args.setup.iter().map(|&name| name.into()).collect()
    };
    let faults = parse_faults(&args.faults)?;
    let mut bad = 0;
    for setup in setups {
        bad += run_setup(args, setup, &faults).await?;
    }
    if bad > 0 {
        bail!("{bad} runs failed; their histories are in {}", args.failures.display());
    }
    Ok(())
}

/// Returns how many runs failed.
async fn run_setup(args: &RunArgs, setup: Setup, faults: &[Fault]) -> anyhow::Result<u64> {
    let mut bad = 0;
    let mut store: Option<Store> = None;
    for seed in args.seed..args.seed + args.runs {
        let mut plan = Plan::draw(setup, seed);
        if !faults.is_empty() {
            plan = plan.with_faults(faults);
        }
        let mut servers = match store.take() {
            Some(servers) => servers,
            None => Store::start(setup).await?,
        };
        let result = match run(plan, &mut servers).await {
            Ok(result) => result,
            // No statement about Inrush: the next seed gets other servers.
            Err(error) => {
                bad += 1;
                println!("{} {seed} could not go on: {error:#}", setup.name());
                continue;
            }
        };
        let line = RunLine::of(&result);
        println!("{}", serde_json::to_string(&line)?);
        results::append(&args.results, &line)?;
        if result.is_good() {
            servers.clear().await?;
            store = Some(servers);
        } else {
            bad += 1;
            save(args, &result)?;
        }
    }
    Ok(bad)
}

fn save(args: &RunArgs, result: &RunResult) -> anyhow::Result<()> {
    let name = format!("{}-{}", result.plan.setup.name(), result.plan.seed);
    let path = |ending: &str| args.failures.join(format!("{name}.{ending}"));
    fs::write(path("plan.json"), serde_json::to_string_pretty(&result.plan)?)?;
    fs::write(path("history.json"), serde_json::to_string(&result.history)?)?;
    fs::write(path("html"), page(&result.history, &result.violations))?;
    fs::write(path("log"), &result.logs)?;
    Ok(())
}

fn parse_faults(names: &[String]) -> anyhow::Result<Vec<Fault>> {
    names
        .iter()
        .map(|name| match Fault::ALL.into_iter().find(|fault| fault.name() == *name) {
            Some(fault) => Ok(fault),
            None => {
                let all: Vec<String> = Fault::ALL.iter().map(|fault| fault.name()).collect();
                bail!("there is no fault {name}; there are {}", all.join(", "))
            }
        })
        .collect()
}
