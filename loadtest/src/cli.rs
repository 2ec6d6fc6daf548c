//! The command line: one file per command.

mod agent;
mod byte_size;
mod call;
mod compare;
mod console;
mod diff;
mod fail_if;
mod interrupt;
mod outcome;
mod output_file;
mod sale;
mod spelling;

use std::{env, process::ExitCode};

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use inrush_transport::Error;

use self::outcome::Outcome;

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "inrush-loadtest",
    version,
    about = "Load tests of gRPC services and of flash sales",
    after_help = "Command lines of ghz work as they are: inrush-loadtest --insecure --call … host:port",
    disable_version_flag = true,
    arg_required_else_help = true
)]
struct Arguments {
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: (),

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Call a method of any gRPC server, with the flags of ghz
    #[command(version)]
    Call(Box<call::Arguments>),
    /// Make calls for a coordinator on another machine
    Agent(agent::Arguments),
    Sale(Box<sale::Arguments>),
    /// Compare two runs, with confidence intervals
    Diff(diff::Arguments),
    Compare(Box<compare::Arguments>),
}

/// The life of the process: parse, run, exit code.
pub fn main() -> ExitCode {
    let command = spelling::with_switches(Arguments::command());
    let normalized = spelling::normalize(&command, env::args_os());
    let parsed =
        command.try_get_matches_from(normalized).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(arguments.command) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            console::print_error(format_args!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<Outcome, Error> {
    match command {
        Command::Call(arguments) => call::run(&arguments),
        Command::Agent(arguments) => agent::run(&arguments),
        Command::Sale(arguments) => sale::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
    }
}
