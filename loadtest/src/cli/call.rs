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
use inrush_report::{Format, Report};
use inrush_transport::Error;

use self::{
    debug_log::DebugLog,
    destination::Destination,
    settings::{Extensions, Settings},
};
use super::{console::print_error, fail_if::FailIf, interrupt::interruptible, outcome::Outcome};
use crate::{
    agents::{Fleet, FleetResults, Token, coordinate},
    engine::Share,
    live::{self, Mode},
};

/// The arguments of `call`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(super) struct Arguments {
    /// File with settings in JSON or TOML, by the long names of flags; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: (),

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    fail_if: FailIf,
}

/// Makes the calls, and writes the report.
pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Error> {
    let settings = match &arguments.config {
        Some(path) => config_file::merge(&arguments.settings, path)?,
        None => arguments.settings.clone(),
    };
    let plan = plan::of(&settings)?;
    let tags = options::tags(settings.output.tags.as_ref())?;
    let options = options::of(&settings, &plan);
    let (output, page) = (&settings.output, &settings.extensions.report);
    let format = output.format.unwrap_or(Format::Summary);
    let destination = Destination::open("--output", output.output.as_deref())?;
    let page = page.as_deref().map(|path| Destination::open("--report", Some(path))).transpose()?;
    let log = output.debug.as_deref().map(DebugLog::create).transpose()?;
    if let Some(log) = &log {
        log.log_start(&settings)?;
    }
    let mode = Mode::detect(settings.extensions.quiet.unwrap_or(false));
    let fleet = fleet(&settings.extensions)?;
    let FleetResults { results, warnings, complete } = interruptible(move |interrupted| {
        let mut observer = live::observer(&plan.engine.path, plan.engine.stop, mode);
        match fleet {
            None => plan.run(Share::WHOLE, observer.as_mut(), interrupted).map(FleetResults::of_one),
            Some(fleet) => coordinate(&plan, &fleet, observer.as_mut(), interrupted),
        }
    })?;
    warnings.iter().for_each(|warning| print_error(format_args!("warning: {warning}")));
    if let Some(log) = &log {
        log.log_results(&results)?;
    }
    let report = Report {
        name: output.name.clone().filter(|name| !name.is_empty()),
        host: settings.host.clone().unwrap_or_default(),
        call: settings.input.call.clone().unwrap_or_default(),
        options,
        tags,
        count_errors: output.count_errors.unwrap_or(false),
        results,
    };
    destination.write(&report, format)?;
    if let Some(page) = page {
        page.write(&report, Format::Html)?;
    }
    let outcome = arguments.fail_if.check(&report.results, report.count_errors);
    Ok(if complete { outcome } else { Outcome::Failed })
}

/// The agents that make the calls, if there are any.
fn fleet(extensions: &Extensions) -> Result<Option<Fleet>, Error> {
    let Some(agents) = extensions.agents.clone().filter(|agents| !agents.is_empty()) else { return Ok(None) };
    Ok(Some(Fleet { agents, token: Token::find(extensions.agents_token_file.as_deref())? }))
}
