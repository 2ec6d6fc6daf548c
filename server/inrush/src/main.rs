//! The `inrush` binary: it parses the command line, runs the command, and exits with its code.

mod cli;
mod completions;
mod configuration;
mod confirm;
mod connection;
mod demo;
mod error;
mod format;
mod interrupt;
mod output;
#[cfg(test)]
mod reference;
mod sale;
mod serve;
mod settings;
mod ticket;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use inrush_runtime::{
    config::Loaded,
    exit::{self, UsageError},
};
use inrush_telemetry::{Service, Telemetry, TelemetryError};
use mimalloc::MiMalloc;
use tokio::runtime::Builder;

use crate::{
    cli::{Cli, Command},
    settings::Settings,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let outcome = run(Cli::parse());
    exit::finish(outcome.or_else(|error| if output::is_closed_pipe(&error) { Ok(()) } else { Err(error) }))
}

/// The service name of a command that is not a service.
const PROGRAM: &str = "inrush";

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The life of the process: settings, telemetry, the command, the last export of telemetry. Services drain before
/// their command returns.
fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli { config, command } = cli;
    let settings = settings::load(config, command.settings())?;
    let service = Service { name: command.service().unwrap_or(PROGRAM), version: VERSION };
    let (log, telemetry) = (settings::log(&settings, &command), settings::telemetry(&settings, &command));
    let telemetry = Telemetry::start(service, &log, &telemetry).map_err(startup_error)?;
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start a runtime")?;
    let outcome = runtime.block_on(perform(command, &settings, &telemetry));
    // Tasks that still run may still record telemetry.
    drop(runtime);
    telemetry.shut_down();
    outcome
}

/// An invalid setting of telemetry is a usage error, as any other invalid setting.
fn startup_error(error: TelemetryError) -> anyhow::Error {
    if error.is_usage() { UsageError::new(error.to_string()).into() } else { error.into() }
}

async fn perform(command: Command, settings: &Loaded<Settings>, telemetry: &Telemetry) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(args.options(), &settings.value.store).await,
        Command::Up(args) => serve::up(args.output, settings, telemetry).await,
        Command::Front(args) => serve::front(args.output, settings, telemetry).await,
        Command::Fulfilment(args) => serve::fulfilment(args.output, settings, telemetry).await,
        Command::Orders(args) => serve::orders(args.output, settings, telemetry).await,
        Command::Sale(args) => sale::run(args, &settings.value).await,
        Command::Ticket(args) => ticket::run(args, &settings.value).await,
        Command::Config(args) => configuration::print(settings, args.json),
        Command::Completions(args) => completions::print(args.shell),
    }
}
