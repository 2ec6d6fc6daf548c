//! `call`: any method of any gRPC server, with the flags of ghz.

mod config_file;
mod debug_log;
mod destination;
mod endpoint;
mod input;
mod load;
mod options;
mod plan;
mod settings;

use std::path::PathBuf;

use clap::{ArgAction, Args};

use self::{debug_log::DebugLog, destination::Destination, settings::Settings};
use super::{Verdict, interrupt::interruptible};
use crate::{
    engine::{Observer, Progress, Share},
    problem::Problem,
    report::{Format, Report},
};

/// The arguments of `call`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(super) struct Arguments {
    /// File with settings, in JSON or TOML, by the long names of flags; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: (),

    #[command(flatten)]
    settings: Settings,
}

/// Makes the calls, and reports.
pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Problem> {
    let settings = match &arguments.config {
        Some(path) => config_file::under(&arguments.settings, path)?,
        None => arguments.settings.clone(),
    };
    let plan = plan::of(&settings)?;
    let tags = options::tags(settings.output.tags.as_ref())?;
    let options = options::of(&settings, &plan);
    let output = Destination::open(settings.output.output.as_deref())?;
    let log = settings.output.debug.as_deref().map(DebugLog::create).transpose()?;
    if let Some(log) = &log {
        log.started(&settings)?;
    }
    let results = interruptible(move |interrupted| plan.run(Share::WHOLE, &mut Unseen, interrupted))?;
    if let Some(log) = &log {
        log.ended(&results)?;
    }
    let report = Report {
        name: settings.output.name.clone().filter(|name| !name.is_empty()),
        host: settings.host.clone().unwrap_or_default(),
        call: settings.input.call.clone().unwrap_or_default(),
        options,
        tags,
        count_errors: settings.output.count_errors.unwrap_or(false),
        results,
    };
    output.write(&report, settings.output.format.unwrap_or(Format::Summary))?;
    Ok(Verdict::Passed)
}

/// Sees nothing.
struct Unseen;

impl Observer for Unseen {
    fn see(&mut self, _: &Progress<'_>) {}
}
